"""What a code is worth on queries and masks that the tuning never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from nercc_tune.inference import MaskedMetrics
from nercc_tune.records import Heldout, Interval
from nercc_tune.selection.bootstrap import Array, CrossedBootstrap, interval

Error = Literal["mse", "prob_mse"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The metrics of a code in one cell, with the resamples of that cell and the cell's probability."""

    metrics: MaskedMetrics
    bootstrap: CrossedBootstrap
    weight: float = 1.0


def judge(metrics: MaskedMetrics, bootstrap: CrossedBootstrap) -> Heldout:
    """Summarise metrics [G, M] with 95 % intervals."""
    return expect([Judged(metrics=metrics, bootstrap=bootstrap)])


def expect(cells: Sequence[Judged]) -> Heldout:
    """Summarise a code over several cells, weighted by their probabilities.

    The cells share their groups, which are resampled together, and each has masks of its own.
    """
    base = _array(cells[0].metrics.uncoded_accuracy)
    bases = cells[0].bootstrap.resampled_groups(base)
    accuracy, accuracies = _expected([_array(cell.metrics.accuracy) for cell in cells], cells)
    is_defined = bool((bases > 0).all())
    return Heldout(
        mse=_mean("mse", cells),
        prob_mse=_mean("prob_mse", cells),
        rel_acc=interval(accuracy / float(base.mean()), accuracies / bases) if is_defined else None,
        agreement=_mean("agreement", cells),
    )


def difference(cells: Sequence[Judged], others: Sequence[Judged], error: Error) -> Interval:
    """Return the paired difference of an expected error on the same draws: negative where the first is less."""
    values = [
        _array(getattr(cell.metrics, error)) - _array(getattr(other.metrics, error))
        for cell, other in zip(cells, others, strict=True)
    ]
    return interval(*_expected(values, cells))


def gain(cells: Sequence[Judged], others: Sequence[Judged], error: Error) -> Interval | None:
    """Return the share of the others' expected error that the first saves; None where the others make no error."""
    mine, its = (_expected([_array(getattr(cell.metrics, error)) for cell in each], each) for each in (cells, others))
    if not (its[0] > 0 and bool((its[1] > 0).all())):
        return None
    return interval(1 - mine[0] / its[0], 1 - mine[1] / its[1])


def _mean(name: str, cells: Sequence[Judged]) -> Interval:
    return interval(*_expected([_array(getattr(cell.metrics, name)) for cell in cells], cells))


def _expected(values: Sequence[Array], cells: Sequence[Judged]) -> tuple[float, Array]:
    """Return the weighted mean over cells, and the same in every resample."""
    total = sum(cell.weight for cell in cells)
    means = [cell.weight / total * float(each.mean()) for each, cell in zip(values, cells, strict=True)]
    resampled = [cell.weight / total * cell.bootstrap.resampled(each) for each, cell in zip(values, cells, strict=True)]
    return sum(means), np.sum(resampled, axis=0)


def _array(values: Tensor) -> Array:
    return values.numpy().astype(np.float64)
