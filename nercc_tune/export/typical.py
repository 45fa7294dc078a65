"""What right answers look like to the codes of a table that look at it, in one file beside the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from nercc_tune.coding import Typical
from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable
from nercc_tune.export.tensors import AGAIN, read_tensors
from nercc_tune.text.one_line import one_line

__all__ = ["pack_typical", "read_typical", "typical_path"]


def typical_path(table: str | Path) -> Path:
    """Return where a table's file of typical answers lies: beside it, `table-typical.safetensors`."""
    path = Path(table)
    return path.with_name(f"{path.stem}-typical.safetensors")


def pack_typical(typical: Iterable[Typical]) -> bytes:
    """Return what answers look like as the bytes of a file: float32, each only once.

    The precision is kept whole: an inverse is symmetric only as far as it is rounded.
    """
    tensors: dict[str, Tensor] = {}
    for item in typical:
        values = {"means": item.means, "precision": item.precision}
        tensors |= {f"{item.digest}.{name}": value.to(torch.float32).contiguous() for name, value in values.items()}
    return save(tensors)


def read_typical(path: Path, table: TunedTable) -> Mapping[str, Typical]:
    """Read what answers look like as a table needs it, by digest; nothing where no code of it looks at that.

    Raises:
        TableError: If the file is missing, cut, not finite, or not that of the table.
    """
    needed = table.typical
    if not needed:
        return {}
    tensors = read_tensors(path, kind="typical answers", needed_by="distrusting")
    return {digest: _typical_of(path, tensors, digest) for digest in needed}


def _typical_of(path: Path, tensors: Mapping[str, Tensor], digest: str) -> Typical:
    means, precision = tensors.get(f"{digest}.means"), tensors.get(f"{digest}.precision")
    if means is None or precision is None:
        raise TableError(f"`{one_line(path)}` holds the typical answers of another table; {AGAIN}.")
    if not (bool(means.isfinite().all()) and bool(precision.isfinite().all())):
        raise TableError(f"the typical answers in `{one_line(path)}` are not finite; {AGAIN}.")
    if means.ndim != 2 or not means.numel() or precision.shape != (means.shape[1], means.shape[1]):
        raise TableError(f"the typical answers in `{one_line(path)}` do not fit together; {AGAIN}.")
    found = Typical(means=means.to(torch.float64), precision=precision.to(torch.float64))
    if found.digest != digest:
        raise TableError(f"the typical answers in `{one_line(path)}` do not match the table's digest; {AGAIN}.")
    return found
