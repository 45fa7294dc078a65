from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nercc_tune.inference import AvailabilityMeter, MaskedAvailability, MaskedMetrics
from nercc_tune.records import BASELINES, LATE_SHARES, Interval
from nercc_tune.selection import (
    CrossedBootstrap,
    Judged,
    PolicyChoice,
    expect,
    expect_availability,
    judge,
    overall_accuracy,
)
from tests.fakes import tiny_spec
from tests.selection.fakes import searched

GROUPS, QUERIES, RESAMPLES = 6, 8, 300
Array = NDArray[np.float64]


def _measured(masks: int, *, seed: int, carriers: tuple[int, ...] = (0, QUERIES)) -> MaskedAvailability:
    """Return what might be measured: of the degraded queries of a group and mask up to all are right."""
    rng = np.random.default_rng(seed)
    degraded = rng.integers(0, QUERIES + 1, (GROUPS, masks))
    right = rng.binomial(degraded, 0.6)
    return MaskedAvailability(
        available=torch.from_numpy(rng.integers(5, QUERIES + 1, GROUPS) / QUERIES),
        degraded=torch.from_numpy(degraded / QUERIES),
        right=torch.from_numpy(right / QUERIES),
        carriers=carriers,
        workers=10,
    )


def _cell(measured: MaskedAvailability | None, *, masks: int = 5, weight: float = 1.0) -> Judged:
    values = torch.full((GROUPS, masks), 0.5, dtype=torch.float64)
    metrics = MaskedMetrics(
        mse=values, prob_mse=values, accuracy=values, agreement=values, uncoded_accuracy=torch.ones(GROUPS).double()
    )
    bootstrap = CrossedBootstrap.draw(groups=GROUPS, masks=masks, resamples=RESAMPLES, seed=3)
    return Judged(metrics=metrics, bootstrap=bootstrap, weight=weight, availability=measured)


def _cells() -> list[Judged]:
    return [_cell(_measured(masks, seed=masks), masks=masks, weight=masks / 10) for masks in (4, 6)]


def _rows(counts: Array) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(counts)), counts.astype(np.int64))


def _of(cell: Judged) -> MaskedAvailability:
    assert cell.availability is not None
    return cell.availability


def _sums(cells: Sequence[Judged], at: int) -> tuple[float, float, float]:
    """Return of a resampled table: A_a, and the weighted shares of right and of all degraded queries."""
    whole, right, degraded = 0.0, 0.0, 0.0
    for cell in cells:
        groups, masks = _rows(cell.bootstrap.groups[at]), _rows(cell.bootstrap.masks[at])
        measured = _of(cell)
        whole += cell.weight * float(measured.available.numpy()[groups].mean())
        right += cell.weight * float(measured.right.numpy()[np.ix_(groups, masks)].mean())
        degraded += cell.weight * float(measured.degraded.numpy()[np.ix_(groups, masks)].mean())
    return whole, right, degraded


def _assert_interval(found: Interval | None, mean: float, resampled: Sequence[float]) -> None:
    assert found is not None
    expected = (mean, *np.quantile(resampled, [0.025, 0.975]))
    assert (found.mean, found.low, found.high) == pytest.approx(expected, rel=1e-10)


def test_degraded_queries_are_counted_together_in_every_resample() -> None:
    cells = _cells()
    found = expect_availability(cells)
    assert found is not None
    right, total = (
        sum(c.weight * float(getattr(_of(c), name).mean()) for c in cells) for name in ("right", "degraded")
    )
    sums = [_sums(cells, at) for at in range(RESAMPLES)]
    _assert_interval(found.degraded, right / total, [part / whole for _, part, whole in sums])
    mean = sum(cell.weight * float(_of(cell).available.mean()) for cell in cells)
    _assert_interval(found.available, mean, [whole for whole, *_ in sums])
    assert (found.carriers, found.workers) == ((0, QUERIES), 10)
    assert [point.late for point in found.overall] == list(LATE_SHARES)


@pytest.mark.parametrize("carriers", [(0, QUERIES), (QUERIES,), (2, 3, 3)], ids=["one each", "none", "mixed"])
def test_both_accuracies_are_resampled_together(carriers: tuple[int, ...]) -> None:
    cells = [_cell(_measured(5, seed=1, carriers=carriers))]
    found = expect_availability(cells)
    assert found is not None
    sums = [_sums(cells, at) for at in range(RESAMPLES)]
    for late in (*LATE_SHARES, 0.5):
        share = found.exposure(late)
        overall = overall_accuracy(cells, late)
        expected = found.overall_accuracy(late)
        assert expected is not None
        _assert_interval(overall, expected, [(1 - share) * a + share * part / whole for a, part, whole in sums])
        assert late == 0.5 or found.overall_at(late) == overall
    # The two are not independent: the groups are the same.
    assert found.degraded is not None
    assert overall != found.degraded


def test_where_nobody_is_late_overall_is_available() -> None:
    found = expect_availability(_cells())
    assert found is not None
    assert overall_accuracy(_cells(), 0.0) == found.available


def test_intervals_hold_their_means() -> None:
    for seed in range(5):
        found = expect_availability([_cell(_measured(5, seed=seed))])
        assert found is not None
        assert found.degraded is not None
        for point in (found.available, found.degraded, *(item.accuracy for item in found.overall)):
            assert point.low < point.mean < point.high


def test_where_nothing_is_degraded_there_is_no_such_accuracy() -> None:
    nothing = torch.zeros(GROUPS, 5, dtype=torch.float64)
    cells = [_cell(replace(_measured(5, seed=0), degraded=nothing, right=nothing))]
    found = expect_availability(cells)
    assert found is not None
    assert (found.degraded, found.overall) == (None, ())
    assert overall_accuracy(cells, 0.1) is None
    assert overall_accuracy(cells, 0.0) == found.available


def test_resamples_in_which_nothing_is_degraded_are_left_out() -> None:
    degraded, right = torch.zeros(2, GROUPS, 5, dtype=torch.float64)
    degraded[:, 3], right[2:, 3] = 0.25, 0.125
    cell = _cell(replace(_measured(5, seed=0), degraded=degraded, right=right))
    sums = [_sums([cell], at) for at in range(RESAMPLES)]
    kept = [part / whole for _, part, whole in sums if whole > 0]
    assert 0 < len(kept) < RESAMPLES
    found = expect_availability([cell])
    assert found is not None
    _assert_interval(found.degraded, (4 * 0.125) / (6 * 0.25), kept)
    only = replace(cell, bootstrap=replace(cell.bootstrap, masks=np.tile([1.0, 1.0, 1.0, 0.0, 2.0], (RESAMPLES, 1))))
    nowhere = expect_availability([only])
    assert nowhere is not None
    assert nowhere.degraded is None


def test_what_was_not_measured_is_not_there() -> None:
    cells = _cells()
    cells[1] = replace(cells[1], availability=None)
    assert expect_availability(cells) is None
    assert overall_accuracy(cells, 0.1) is None
    assert expect(cells).availability is None


def test_a_code_is_judged_with_what_was_measured() -> None:
    cell = _cell(_measured(5, seed=0))
    found = judge(cell.metrics, cell.bootstrap, cell.availability)
    assert found.availability == expect_availability([cell])
    assert found == expect([cell])


def test_every_code_of_a_study_is_measured_on_the_heldout_draws(tmp_path: Path) -> None:
    spec = tiny_spec("search.nodes=['systematic']", "evaluation.frozen_at=2", "search.trials=2")
    judge_, history = searched(spec, tmp_path)
    entries = judge_.entries(history, forwards=2)
    policy = PolicyChoice(judge=judge_).policy(history)
    frozen = entries[2]
    for entry, of_policy in zip(entries.values(), policy.entries, strict=True):
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        meter = AvailabilityMeter(evaluator)
        measured = {name: meter.of_baseline(name) for name in BASELINES}
        measured["bacc_same_design"] = meter.of_baseline("bacc", entry.design)
        measured["frozen"] = meter.of(frozen.design, frozen.lambda_enc, frozen.parameter)
        judged = {name: heldout.availability for name, heldout in entry.baselines.items()}
        judged |= {"tuned": entry.heldout.availability, "policy": of_policy.heldout.availability}
        measured["tuned"] = meter.of(entry.design, entry.lambda_enc, entry.parameter)
        measured["policy"] = meter.of(policy.design, policy.lambda_enc, of_policy.parameter)
        assert set(judged) == set(measured)
        for name, found in judged.items():
            metrics = evaluator.baseline_metrics("bacc")
            assert found == expect_availability([judge_.judged(entry.stragglers, metrics, measured[name])])
        uncoded = judged["uncoded"]
        assert uncoded is not None
        assert uncoded.available.mean == pytest.approx(judge_.heldout.uncoded_accuracy, rel=1e-12)
    assert policy.heldout.availability is not None
    assert policy.single.heldout.availability is not None
    assert set(policy.baselines) == set(BASELINES)
    assert all(heldout.availability is not None for heldout in policy.baselines.values())
