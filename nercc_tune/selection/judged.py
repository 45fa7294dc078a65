"""What was measured of a code in a cell, ready to be resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nercc_tune.inference import MaskedAvailability, MaskedMetrics
from nercc_tune.selection.bootstrap import Array, CrossedBootstrap

__all__ = ["Judged", "as_array", "expected"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The metrics of a code in one cell, with the resamples of that cell and the cell's probability.

    `availability` is None where it was not measured.
    """

    metrics: MaskedMetrics
    bootstrap: CrossedBootstrap
    weight: float = 1.0
    availability: MaskedAvailability | None = None


def expected(values: Sequence[Array], cells: Sequence[Judged]) -> tuple[float, Array]:
    """Return the weighted mean over cells of values [G, M] of each, or [G], and the same in every resample."""
    total = sum(cell.weight for cell in cells)
    means = [cell.weight / total * float(each.mean()) for each, cell in zip(values, cells, strict=True)]
    resampled = [cell.weight / total * _resampled(each, cell) for each, cell in zip(values, cells, strict=True)]
    return sum(means), np.sum(resampled, axis=0)


def as_array(values: Tensor) -> Array:
    """Return values on the CPU as the bootstrap takes them."""
    return values.numpy().astype(np.float64)


def _resampled(values: Array, cell: Judged) -> Array:
    return cell.bootstrap.resampled(values) if values.ndim > 1 else cell.bootstrap.resampled_groups(values)
