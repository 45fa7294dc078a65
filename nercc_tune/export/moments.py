"""The second moments that the calibrated codes of a table decode with, in one file beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from nercc_tune.coding import Moments
from nercc_tune.export.table import TunedTable
from nercc_tune.export.tensors import pack_kept, read_kept

__all__ = ["moments_path", "pack_moments", "read_moments"]


def moments_path(table: str | Path) -> Path:
    """Return where the moments of a table's file lie: beside it, with the suffix `.safetensors`."""
    return Path(table).with_suffix(".safetensors")


def pack_moments(moments: Iterable[Moments]) -> bytes:
    """Return moments as the bytes of a file: float32, of the symmetric matrices one half, and each only once."""
    return pack_kept(
        moments,
        lambda item: {
            "answers": item.answers[_half(len(item.answers))],
            "truths": item.truths,
            "variances": item.variances,
        },
    )


def read_moments(path: Path, table: TunedTable) -> Mapping[str, Moments]:
    """Read the moments that a table needs, by digest; none where no code of it is calibrated.

    Raises:
        TableError: If the file is missing, cut, not finite, or not that of the table.
    """
    return read_kept(
        path,
        table.moments,
        kind="moments",
        needed_by="calibrated",
        names=("answers", "truths", "variances"),
        build=_moments_of,
    )


def _moments_of(half: Tensor, truths: Tensor, variances: Tensor) -> Moments | None:
    count = truths.shape[-1] if truths.ndim == 2 else 0
    if half.shape != (count * (count + 1) // 2,) or truths.shape[0] != len(variances):
        return None
    answers = torch.zeros(count, count, dtype=torch.float64)
    rows, columns = _half(count)
    answers[rows, columns] = answers[columns, rows] = half
    return Moments(answers=answers, truths=truths, variances=variances)


def _half(count: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.triu_indices(count, count)
    return rows, columns
