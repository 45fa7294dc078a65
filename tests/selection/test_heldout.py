from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nercc_tune.inference import MaskedMetrics
from nercc_tune.records import Interval
from nercc_tune.selection import CrossedBootstrap, Judged, difference, expect, gain, judge

GROUPS, RESAMPLES = 6, 200
MASKS = (4, 7, 5)
WEIGHTS = (0.2, 0.5, 0.3)
Array = NDArray[np.float64]


def _metrics(masks: int, *, seed: int, base: Array | None = None) -> MaskedMetrics:
    rng = np.random.default_rng(seed)
    mse, prob_mse, accuracy, agreement = (torch.from_numpy(rng.random((GROUPS, masks))) for _ in range(4))
    uncoded = np.linspace(0.5, 1.0, GROUPS) if base is None else base
    return MaskedMetrics(
        mse=mse,
        prob_mse=prob_mse,
        accuracy=accuracy,
        agreement=agreement,
        uncoded_accuracy=torch.from_numpy(uncoded),
    )


def _cells(seed: int = 0, *, base: Array | None = None, weights: tuple[float, ...] = WEIGHTS) -> list[Judged]:
    return [
        Judged(
            metrics=_metrics(masks, seed=seed + masks, base=base),
            bootstrap=CrossedBootstrap.draw(groups=GROUPS, masks=masks, resamples=RESAMPLES, seed=3),
            weight=weight,
        )
        for masks, weight in zip(MASKS, weights, strict=True)
    ]


def _rows(counts: Array) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(counts)), counts.astype(np.int64))


def _resampled(cells: list[Judged], values: Callable[[Judged], Array]) -> Array:
    """Return the weighted mean over the cells of each resampled table."""
    return np.array(
        [
            sum(
                cell.weight
                * values(cell)[np.ix_(_rows(cell.bootstrap.groups[at]), _rows(cell.bootstrap.masks[at]))].mean()
                for cell in cells
            )
            for at in range(RESAMPLES)
        ]
    )


def _array(name: str) -> Callable[[Judged], Array]:
    def values(cell: Judged) -> Array:
        found: Array = getattr(cell.metrics, name).numpy()
        return found

    return values


def _assert_interval(found: Interval | None, mean: float, resampled: Array) -> None:
    assert found is not None
    expected = (mean, *np.quantile(resampled, [0.025, 0.975]))
    assert (found.mean, found.low, found.high) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["mse", "prob_mse", "agreement"])
def test_the_expectation_is_the_weighted_mean_of_the_resampled_tables(name: str) -> None:
    cells = _cells()
    mean = sum(cell.weight * _array(name)(cell).mean() for cell in cells)
    _assert_interval(getattr(expect(cells), name), mean, _resampled(cells, _array(name)))


def test_the_groups_of_all_cells_are_resampled_together() -> None:
    first, *others = _cells()
    for other in others:
        assert np.array_equal(other.bootstrap.groups, first.bootstrap.groups)


def test_the_expected_accuracy_is_relative_to_the_same_groups() -> None:
    cells = _cells()
    base = cells[0].metrics.uncoded_accuracy.numpy()
    bases = np.array([base[_rows(cells[0].bootstrap.groups[at])].mean() for at in range(RESAMPLES)])
    mean = sum(cell.weight * _array("accuracy")(cell).mean() for cell in cells) / base.mean()
    _assert_interval(expect(cells).rel_acc, mean, _resampled(cells, _array("accuracy")) / bases)


def test_without_a_right_answer_in_a_resample_there_is_no_relative_accuracy() -> None:
    assert expect(_cells(base=np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]))).rel_acc is None


def test_weights_need_not_sum_to_one() -> None:
    assert expect(_cells(weights=(0.4, 1.0, 0.6))) == expect(_cells())


def test_one_cell_is_judged_as_it_is() -> None:
    (first, *_) = _cells()
    assert judge(first.metrics, first.bootstrap) == expect([first])
    assert judge(first.metrics, first.bootstrap).mse == first.bootstrap.mean(first.metrics.mse.numpy())


@pytest.mark.parametrize("error", ["mse", "prob_mse"])
def test_a_paired_difference_is_that_of_the_resampled_tables(error: str) -> None:
    mine, its = _cells(0), _cells(50)
    found = difference(mine, its, "mse" if error == "mse" else "prob_mse")
    resampled = _resampled(mine, _array(error)) - _resampled(its, _array(error))
    mean = getattr(expect(mine), error).mean - getattr(expect(its), error).mean
    _assert_interval(found, mean, resampled)


@pytest.mark.parametrize("error", ["mse", "prob_mse"])
def test_a_gain_is_one_minus_the_ratio_of_the_resampled_tables(error: str) -> None:
    mine, its = _cells(0), _cells(50)
    found = gain(mine, its, "mse" if error == "mse" else "prob_mse")
    resampled = 1 - _resampled(mine, _array(error)) / _resampled(its, _array(error))
    mean = 1 - getattr(expect(mine), error).mean / getattr(expect(its), error).mean
    _assert_interval(found, mean, resampled)


def test_nothing_is_gained_on_oneself() -> None:
    found = gain(_cells(), _cells(), "mse")
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_nothing_can_be_gained_where_no_error_is_made() -> None:
    its = [
        Judged(metrics=metrics, bootstrap=cell.bootstrap, weight=cell.weight)
        for cell in _cells()
        for metrics in [_without_error(cell.metrics)]
    ]
    assert gain(_cells(), its, "mse") is None
    assert gain(_cells(), its, "prob_mse") is not None


def _without_error(metrics: MaskedMetrics) -> MaskedMetrics:
    return MaskedMetrics(
        mse=torch.zeros_like(metrics.mse),
        prob_mse=metrics.prob_mse,
        accuracy=metrics.accuracy,
        agreement=metrics.agreement,
        uncoded_accuracy=metrics.uncoded_accuracy,
    )
