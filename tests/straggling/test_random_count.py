from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nercc_tune.errors import TraceError
from nercc_tune.straggling import (
    Deadline,
    Independent,
    RandomCountModel,
    ShiftedExponential,
    TraceLatencies,
    WorkerGamma,
)

_GAMMA = WorkerGamma(workers=11, shape=2.0, scale=1.0, spread=0.5, correlation=0.4)
_MODELS: dict[str, RandomCountModel] = {
    "independent": Independent(workers=11, probability=0.3),
    "deadline of a law": Deadline(latency=_GAMMA, deadline=2.0),
    "deadline of a trace": Deadline(latency=TraceLatencies(latencies=_GAMMA.sample(40, seed=9)), deadline=2.0),
}


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
def test_masks_are_those_of_the_seed(model: RandomCountModel) -> None:
    first, same, other = (model.draw(masks=20, seed=seed) for seed in (0, 0, 1))
    assert first.arrived.shape == (20, model.workers)
    assert np.array_equal(first.arrived, same.arrived)
    assert not np.array_equal(first.arrived, other.arrived)
    assert np.array_equal(model.draw(masks=3, seed=0).arrived, first.arrived[:3])
    assert len(np.unique(first.stragglers)) > 1


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
def test_no_masks_are_refused(model: RandomCountModel) -> None:
    with pytest.raises(ValueError, match=r"`masks` must be at least 1, but got 0\."):
        model.draw(masks=0, seed=0)


def test_only_a_trace_has_an_end() -> None:
    assert [model.limit for model in _MODELS.values()] == [None, None, 40]
    with pytest.raises(TraceError, match=r"has 40 iterations, but 41 are asked for"):
        _MODELS["deadline of a trace"].draw(masks=41, seed=0)


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.9])
def test_sets_of_arrived_workers_follow_the_law_given_that_somebody_arrives(probability: float) -> None:
    workers, masks = 4, 20_000
    arrived = Independent(workers=workers, probability=probability).draw(masks=masks, seed=0).arrived
    sets = np.bincount(arrived @ (1 << np.arange(workers)), minlength=1 << workers)
    assert sets[0] == 0
    sizes = np.array([number.bit_count() for number in range(1, 1 << workers)])
    law = probability ** (workers - sizes) * (1 - probability) ** sizes / (1 - probability**workers)
    # Sets with fewer than 5 expected masks are too rare for the χ² law; together they are one class.
    is_rare = law * masks < 5
    expected = np.append(law[~is_rare], law[is_rare].sum()) * masks
    observed = np.append(sets[1:][~is_rare], sets[1:][is_rare].sum())
    statistic = float(((observed - expected)[expected > 0] ** 2 / expected[expected > 0]).sum())
    assert stats.chi2.sf(statistic, np.count_nonzero(expected) - 1) > 1e-3


def test_every_worker_straggles_with_the_probability() -> None:
    lost = np.count_nonzero(~Independent(workers=20, probability=0.3).draw(masks=5000, seed=2).arrived, axis=0)
    # The bound of each of 20 workers: 4 standard deviations, passed once in 16 000.
    assert np.abs(lost - 1500).max() < 4 * math.sqrt(5000 * 0.3 * 0.7)


def test_nobody_straggles_with_probability_zero() -> None:
    assert Independent(workers=5, probability=0.0).draw(masks=10, seed=0).arrived.all()


def test_one_arrives_where_nearly_all_straggle() -> None:
    arrivals = Independent(workers=5, probability=1 - 1e-12).draw(masks=4000, seed=0)
    assert (arrivals.stragglers == 4).all()
    assert stats.chisquare(np.count_nonzero(arrivals.arrived, axis=0)).pvalue > 1e-3


@pytest.mark.parametrize("probability", [1.0, -0.1, 1.5, math.nan])
def test_probabilities_with_which_nobody_can_arrive_are_refused(probability: float) -> None:
    message = rf"`probability` of straggling must be in \[0, 1\), so that somebody can arrive, but got {probability}\."
    with pytest.raises(ValueError, match=message):
        Independent(workers=3, probability=probability)


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`workers` must be at least 1, but got 0\."):
        Independent(workers=0, probability=0.5)


@pytest.mark.parametrize("deadline", [0.0, -1.0, math.inf, math.nan])
def test_deadlines_that_are_no_times_are_refused(deadline: float) -> None:
    with pytest.raises(ValueError, match=rf"`deadline` must be positive and finite, but got {deadline}\."):
        Deadline(latency=_GAMMA, deadline=deadline)


def _draw_one(latencies: list[float], *, deadline: float) -> tuple[list[bool], float]:
    trace = TraceLatencies(latencies=np.array([latencies]))
    arrivals = Deadline(latency=trace, deadline=deadline).draw(masks=1, seed=0)
    assert arrivals.waiting is not None
    return arrivals.arrived[0].tolist(), float(arrivals.waiting[0])


@pytest.mark.parametrize(
    ("deadline", "arrived", "waiting"),
    [
        (2.5, [False, True, True], 2.5),
        (2.0, [False, True, True], 2.0),
        (3.0, [True, True, True], 3.0),
        (9.0, [True, True, True], 3.0),
        (1.0, [False, True, False], 1.0),
        (0.5, [False, True, False], 1.0),
    ],
)
def test_the_service_waits_for_the_deadline_the_last_or_the_first(
    deadline: float, arrived: list[bool], waiting: float
) -> None:
    assert _draw_one([3.0, 1.0, 2.0], deadline=deadline) == (arrived, waiting)


def test_one_of_two_equal_answers_beyond_the_deadline_is_waited_for() -> None:
    assert _draw_one([2.0, 1.0, 1.0], deadline=0.5) == ([False, True, False], 1.0)


def test_counts_at_a_deadline_are_binomial_for_equal_independent_workers() -> None:
    law = ShiftedExponential(workers=8, shift=1.0, rate=2.0)
    arrivals = Deadline(latency=law, deadline=1.5).draw(masks=5000, seed=0)
    # Nobody within the deadline (e^−8 of the masks) counts as one arrival.
    pmf = stats.binom.pmf(np.arange(8), 8, math.exp(-1))
    pmf[7] += math.exp(-8)
    observed = np.bincount(arrivals.stragglers, minlength=8)
    assert stats.chisquare(observed, pmf * 5000).pvalue > 1e-3
    assert arrivals.waiting is not None
    # Beyond the deadline the service waits in e^−8 · 5000 = 1.7 masks, never in more than 8 (one seed in 5000).
    assert 0 <= np.count_nonzero(arrivals.waiting > 1.5) <= 8
    assert (arrivals.stragglers[arrivals.waiting > 1.5] == 7).all()
    assert (arrivals.stragglers[arrivals.waiting < 1.5] == 0).all()


def test_a_later_deadline_loses_fewer_and_waits_longer() -> None:
    early, late = (Deadline(latency=_GAMMA, deadline=deadline).draw(masks=50, seed=1) for deadline in (1.0, 2.0))
    assert (early.arrived <= late.arrived).all()
    assert early.waiting is not None
    assert late.waiting is not None
    assert (early.waiting <= late.waiting).all()
