"""What a code is worth on queries and masks that the tuning never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nercc_tune.inference import MaskedAvailability, MaskedMetrics
from nercc_tune.records import Heldout, Interval
from nercc_tune.selection.availability import expect_availability
from nercc_tune.selection.bootstrap import CrossedBootstrap, interval
from nercc_tune.selection.judged import Judged, as_array, expected

Error = Literal["mse", "prob_mse"]


def judge(
    metrics: MaskedMetrics, bootstrap: CrossedBootstrap, availability: MaskedAvailability | None = None
) -> Heldout:
    """Summarise metrics [G, M], and availability where it was measured, with 95 % intervals."""
    return expect([Judged(metrics=metrics, bootstrap=bootstrap, availability=availability)])


def expect(cells: Sequence[Judged]) -> Heldout:
    """Summarise a code over several cells, weighted by their probabilities.

    The cells share their groups, which are resampled together, and each has masks of its own.
    """
    base = as_array(cells[0].metrics.uncoded_accuracy)
    bases = cells[0].bootstrap.resampled_groups(base)
    accuracy, accuracies = expected([as_array(cell.metrics.accuracy) for cell in cells], cells)
    is_defined = bool((bases > 0).all())
    return Heldout(
        mse=_mean("mse", cells),
        prob_mse=_mean("prob_mse", cells),
        rel_acc=interval(accuracy / float(base.mean()), accuracies / bases) if is_defined else None,
        agreement=_mean("agreement", cells),
        availability=expect_availability(cells),
    )


def difference(cells: Sequence[Judged], others: Sequence[Judged], error: Error) -> Interval:
    """Return the paired difference of an expected error on the same draws: negative where the first is less."""
    values = [
        as_array(getattr(cell.metrics, error)) - as_array(getattr(other.metrics, error))
        for cell, other in zip(cells, others, strict=True)
    ]
    return interval(*expected(values, cells))


def gain(cells: Sequence[Judged], others: Sequence[Judged], error: Error) -> Interval | None:
    """Return the share of the others' expected error that the first saves; None where the others make no error."""
    mine, its = (expected([as_array(getattr(cell.metrics, error)) for cell in each], each) for each in (cells, others))
    if not (its[0] > 0 and bool((its[1] > 0).all())):
        return None
    return interval(1 - mine[0] / its[0], 1 - mine[1] / its[1])


def _mean(name: str, cells: Sequence[Judged]) -> Interval:
    return interval(*expected([as_array(getattr(cell.metrics, name)) for cell in cells], cells))
