"""Files of tensors beside a table, which names what they hold by its digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nercc_tune.errors import TableError
from nercc_tune.text.one_line import one_line

__all__ = ["AGAIN", "pack_kept", "read_kept"]

AGAIN = "export the table again, which writes all its files, or launch its study again if this is its home"
"""How to mend a file that lies beside a table."""


class _Kept(Protocol):
    @property
    def digest(self) -> str: ...


Kept = TypeVar("Kept", bound=_Kept)


def pack_kept(items: Iterable[Kept], values_of: Callable[[Kept], Mapping[str, Tensor]]) -> bytes:
    """Return some items as the bytes of a file: their tensors as float32, each only once."""
    return save(
        {
            f"{item.digest}.{name}": value.to(torch.float32).contiguous()
            for item in items
            for name, value in values_of(item).items()
        }
    )


def read_kept(
    path: Path,
    digests: Iterable[str],
    *,
    kind: str,
    needed_by: str,
    names: tuple[str, ...],
    build: Callable[..., Kept | None],
) -> dict[str, Kept]:
    """Read items that a table needs, by digest; without any the file is not looked at.

    Args:
        path: Of the file.
        digests: Of the items.
        kind: What they are, for messages.
        needed_by: Which decoders of the table need them, likewise.
        names: Of the tensors of an item.
        build: Makes an item of these, as float64, in their order; None where they do not fit together.

    Raises:
        TableError: If the file is missing, cut, not finite, or not that of the table.
    """
    needed = tuple(digests)
    if not needed:
        return {}
    tensors, where = _read(path, kind=kind, needed_by=needed_by), f"the {kind} in `{one_line(path)}`"
    found: dict[str, Kept] = {}
    for digest in needed:
        parts = [tensors[f"{digest}.{name}"] for name in names if f"{digest}.{name}" in tensors]
        if len(parts) < len(names):
            raise TableError(f"`{one_line(path)}` holds the {kind} of another table; {AGAIN}.")
        if not all(bool(part.isfinite().all()) for part in parts):
            raise TableError(f"{where} are not finite; {AGAIN}.")
        item = build(*(part.to(torch.float64) for part in parts))
        if item is None:
            raise TableError(f"{where} do not fit together; {AGAIN}.")
        if item.digest != digest:
            raise TableError(f"{where} do not match the table's digest; {AGAIN}.")
        found[digest] = item
    return found


def _read(path: Path, *, kind: str, needed_by: str) -> dict[str, Tensor]:
    try:
        return load(path.read_bytes())
    except OSError as error:
        reason = one_line(error)
        raise TableError(
            f"the table's {needed_by} decoders need `{one_line(path)}`, which cannot be read ({reason}); {AGAIN}."
        ) from error
    except (SafetensorError, ValueError) as error:
        raise TableError(f"`{one_line(path)}` is no whole file of {kind} ({one_line(error)}); {AGAIN}.") from error
