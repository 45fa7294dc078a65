"""The second moments that the calibrated codes of a table decode with, in one file beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from nercc_tune.coding import Moments
from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable
from nercc_tune.export.tensors import AGAIN, read_tensors
from nercc_tune.text.one_line import one_line

__all__ = ["moments_path", "pack_moments", "read_moments"]


def moments_path(table: str | Path) -> Path:
    """Return where the moments of a table's file lie: beside it, with the suffix `.safetensors`."""
    return Path(table).with_suffix(".safetensors")


def pack_moments(moments: Iterable[Moments]) -> bytes:
    """Return moments as the bytes of a file: float32, of the symmetric matrices one half, and each only once."""
    tensors: dict[str, Tensor] = {}
    for item in moments:
        rows, columns = _half(len(item.answers))
        values = {"answers": item.answers[rows, columns], "truths": item.truths, "variances": item.variances}
        tensors |= {f"{item.digest}.{name}": value.to(torch.float32).contiguous() for name, value in values.items()}
    return save(tensors)


def read_moments(path: Path, table: TunedTable) -> Mapping[str, Moments]:
    """Read the moments that a table needs, by digest; none where no code of it is calibrated.

    Raises:
        TableError: If the file is missing, cut, not finite, or not that of the table.
    """
    needed = table.moments
    if not needed:
        return {}
    tensors = read_tensors(path, kind="moments", needed_by="calibrated")
    return {digest: _moments_of(path, tensors, digest) for digest in needed}


def _moments_of(path: Path, tensors: Mapping[str, Tensor], digest: str) -> Moments:
    parts = [tensors.get(f"{digest}.{name}") for name in ("answers", "truths", "variances")]
    half, truths, variances = parts
    if half is None or truths is None or variances is None:
        raise TableError(f"`{one_line(path)}` holds the moments of another table; {AGAIN}.")
    if not all(bool(part.isfinite().all()) for part in (half, truths, variances)):
        raise TableError(f"the moments in `{one_line(path)}` are not finite; {AGAIN}.")
    count = truths.shape[-1] if truths.ndim == 2 else 0
    if half.shape != (count * (count + 1) // 2,) or truths.shape[0] != len(variances):
        raise TableError(f"the moments in `{one_line(path)}` do not fit together; {AGAIN}.")
    answers = torch.zeros(count, count, dtype=torch.float64)
    rows, columns = _half(count)
    answers[rows, columns] = answers[columns, rows] = half.to(torch.float64)
    found = Moments(answers=answers, truths=truths.to(torch.float64), variances=variances.to(torch.float64))
    if found.digest != digest:
        raise TableError(f"the moments in `{one_line(path)}` do not match the table's digest; {AGAIN}.")
    return found


def _half(count: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.triu_indices(count, count)
    return rows, columns
