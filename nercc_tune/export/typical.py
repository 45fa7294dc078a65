"""What right answers look like to the codes of a table that look at it, in one file beside the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from nercc_tune.coding import Typical
from nercc_tune.export.table import TunedTable
from nercc_tune.export.tensors import pack_kept, read_kept

__all__ = ["pack_typical", "read_typical", "typical_path"]


def typical_path(table: str | Path) -> Path:
    """Return where a table's file of typical answers lies: beside it, `table-typical.safetensors`."""
    path = Path(table)
    return path.with_name(f"{path.stem}-typical.safetensors")


def pack_typical(typical: Iterable[Typical]) -> bytes:
    """Return what answers look like as the bytes of a file: float32, each only once.

    The precision is kept whole: an inverse is symmetric only as far as it is rounded.
    """
    return pack_kept(typical, lambda item: {"means": item.means, "precision": item.precision})


def read_typical(path: Path, table: TunedTable) -> Mapping[str, Typical]:
    """Read what answers look like as a table needs it, by digest; nothing where no code of it looks at that.

    Raises:
        TableError: If the file is missing, cut, not finite, or not that of the table.
    """
    return read_kept(
        path,
        table.typical,
        kind="typical answers",
        needed_by="distrusting",
        names=("means", "precision"),
        build=_typical_of,
    )


def _typical_of(means: Tensor, precision: Tensor) -> Typical | None:
    if means.ndim != 2 or not means.numel() or precision.shape != (means.shape[1], means.shape[1]):
        return None
    return Typical(means=means, precision=precision)
