from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from nercc_tune.straggling import (
    Bursts,
    CountedModel,
    Exactly,
    FirstArrivals,
    Pareto,
    ShiftedExponential,
    TraceLatencies,
    WorkerGamma,
    WorstOf,
)

_GAMMA = WorkerGamma(workers=11, shape=2.0, scale=1.0, spread=0.5, correlation=0.4)
_MODELS: dict[str, CountedModel] = {
    "exactly": Exactly(workers=11),
    "bursts": Bursts(workers=11, rack=4),
    "worst of": WorstOf(workers=11, sample=5),
    "first of a law": FirstArrivals(latency=_GAMMA),
    "first of a trace": FirstArrivals(latency=TraceLatencies(latencies=_GAMMA.sample(40, seed=9))),
}
_NESTED = [name for name in _MODELS if name != "worst of"]


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
@pytest.mark.parametrize("stragglers", [0, 1, 6, 10])
def test_exactly_so_many_straggle_in_every_mask(model: CountedModel, stragglers: int) -> None:
    arrivals = model.draw(stragglers, masks=7, seed=0)
    assert arrivals.arrived.shape == (7, model.workers)
    assert (arrivals.stragglers == stragglers).all()


@pytest.mark.parametrize("name", _NESTED)
def test_masks_of_one_seed_are_nested(name: str) -> None:
    draws = [_MODELS[name].draw(count, masks=20, seed=4) for count in range(11)]
    for fewer, more in pairwise(draws):
        assert (fewer.arrived >= more.arrived).all()


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
def test_masks_are_those_of_the_seed(model: CountedModel) -> None:
    first, same, other = (model.draw(4, masks=20, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.arrived, same.arrived)
    assert not np.array_equal(first.arrived, other.arrived)
    assert np.array_equal(model.draw(4, masks=3, seed=0).arrived, first.arrived[:3])
    assert len(np.unique(first.arrived, axis=0)) > 1


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
@pytest.mark.parametrize("stragglers", [-1, 11, 12])
def test_counts_that_leave_nobody_are_refused(model: CountedModel, stragglers: int) -> None:
    message = rf"`0 <= stragglers < workers` must hold, but got {stragglers} of 11\."
    with pytest.raises(ValueError, match=message):
        model.draw(stragglers, masks=2, seed=0)


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
def test_no_masks_are_refused(model: CountedModel) -> None:
    with pytest.raises(ValueError, match=r"`masks` must be at least 1, but got 0\."):
        model.draw(2, masks=0, seed=0)


def test_only_models_of_latency_have_a_waiting_time() -> None:
    has_time = {name for name, model in _MODELS.items() if model.draw(3, masks=2, seed=0).waiting is not None}
    assert has_time == {"first of a law", "first of a trace"}


# Written by `exactly` of nercc_tune/inference/stragglers.py at commit c568155: 9 workers, 3 masks.
_BEFORE = {
    (1, 3): [[0, 1, 2, 3, 4, 5, 6, 8], [1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 3, 4, 5, 6, 7, 8]],
    (4, 7): [[2, 3, 4, 5, 6], [0, 1, 5, 6, 7], [0, 1, 2, 5, 7]],
    (8, 7): [[5], [7], [5]],
}


@pytest.mark.parametrize(("stragglers", "seed"), _BEFORE)
def test_exactly_draws_the_masks_of_the_studies_before(stragglers: int, seed: int) -> None:
    arrived = Exactly(workers=9).draw(stragglers, masks=3, seed=seed).arrived
    assert [np.flatnonzero(row).tolist() for row in arrived] == _BEFORE[stragglers, seed]


def test_exactly_loses_the_first_workers_of_its_own_order() -> None:
    rng = np.random.default_rng(7)
    orders = [rng.permutation(9) for _ in range(3)]
    arrived = Exactly(workers=9).draw(4, masks=3, seed=7).arrived
    assert [np.flatnonzero(~row).tolist() for row in arrived] == [sorted(order[:4]) for order in orders]


def test_exactly_loses_all_pairs_equally_often() -> None:
    masks, workers = 4500, 10
    lost = (~Exactly(workers=workers).draw(2, masks=masks, seed=1).arrived).astype(np.int64)
    pairs = (lost.T @ lost)[np.triu_indices(workers, k=1)]
    assert pairs.sum() == masks
    assert stats.chisquare(pairs).pvalue > 1e-3


@pytest.mark.parametrize("stragglers", range(11))
def test_bursts_lose_whole_racks_and_the_beginning_of_one_more(stragglers: int) -> None:
    arrived = Bursts(workers=11, rack=4).draw(stragglers, masks=50, seed=2).arrived
    for row in arrived:
        racks = [row[:4], row[4:8], row[8:]]
        in_part = [rack for rack in racks if rack.any() and not rack.all()]
        assert len(in_part) <= 1
        assert all((np.diff(rack.astype(np.int64)) >= 0).all() for rack in in_part)


def test_bursts_lose_every_rack_first_equally_often() -> None:
    arrived = Bursts(workers=12, rack=3).draw(3, masks=2000, seed=0).arrived
    first = np.count_nonzero(~arrived.reshape(-1, 4, 3).any(axis=2), axis=0)
    assert first.sum() == 2000
    assert stats.chisquare(first).pvalue > 1e-3


def test_racks_of_one_worker_are_uniform() -> None:
    one, uniform = Bursts(workers=9, rack=1), Exactly(workers=9)
    assert np.array_equal(one.draw(4, masks=5, seed=3).arrived, uniform.draw(4, masks=5, seed=3).arrived)


def test_worst_of_takes_the_first_with_the_longest_run() -> None:
    rng = np.random.default_rng(5)
    chosen = []
    for _ in range(30):
        orders = rng.permuted(np.tile(np.arange(9), (6, 1)), axis=1)
        sample = ["".join("x" if worker in order[:4] else "." for worker in range(9)) for order in orders]
        # Python's `max` keeps the first of equals.
        chosen.append(max(sample, key=lambda mask: max(map(len, mask.split(".")))))
    arrived = WorstOf(workers=9, sample=6).draw(4, masks=30, seed=5).arrived
    assert ["".join(".x"[int(lost)] for lost in row) for row in ~arrived] == chosen


def test_worst_of_one_is_uniform() -> None:
    lost = np.count_nonzero(~WorstOf(workers=10, sample=1).draw(3, masks=4000, seed=0).arrived, axis=0)
    # Sampling without replacement shrinks the statistic by (N − S) / (N − 1).
    statistic = float(((lost - 1200) ** 2 / 1200).sum()) * 9 / 7
    assert stats.chi2.sf(statistic, 9) > 1e-3


def test_a_larger_sample_has_longer_runs() -> None:
    few, many = (WorstOf(workers=20, sample=sample).draw(6, masks=200, seed=0) for sample in (1, 50))
    assert many.longest_runs.mean() > few.longest_runs.mean() + 1


@pytest.mark.parametrize("stragglers", [0, 3, 10])
def test_the_first_arrive_and_the_last_of_them_is_waited_for(stragglers: int) -> None:
    latencies = _GAMMA.sample(50, seed=6)
    arrivals = FirstArrivals(latency=_GAMMA).draw(stragglers, masks=50, seed=6)
    for row, arrived, waited in zip(latencies, arrivals.arrived, arrivals.waiting, strict=True):  # type: ignore[arg-type]  # there is one
        assert set(np.flatnonzero(arrived)) == set(sorted(range(11), key=row.__getitem__)[: 11 - stragglers])
        assert waited == sorted(row)[10 - stragglers]


def test_of_equal_latencies_the_smaller_number_is_earlier() -> None:
    tied = TraceLatencies(latencies=np.array([[2.0, 1.0, 2.0, 1.0]]))
    assert FirstArrivals(latency=tied).draw(1, masks=1, seed=0).arrived.tolist() == [[True, True, False, True]]


def test_equal_workers_straggle_equally_often() -> None:
    law = Pareto(workers=10, scale=1.0, shape=1.5)
    lost = np.count_nonzero(~FirstArrivals(latency=law).draw(3, masks=4000, seed=0).arrived, axis=0)
    statistic = float(((lost - 1200) ** 2 / 1200).sum()) * 9 / 7
    assert stats.chi2.sf(statistic, 9) > 1e-3


def test_the_waiting_time_is_an_order_statistic() -> None:
    law = ShiftedExponential(workers=10, shift=1.0, rate=2.0)
    waiting = FirstArrivals(latency=law).draw(3, masks=2000, seed=0).waiting
    assert waiting is not None
    # The 7th of 10 equal and independent latencies: F(T) follows Beta(7, 4).
    assert stats.kstest(stats.expon.cdf(waiting, 1.0, 0.5), stats.beta(7, 4).cdf).pvalue > 1e-3


def test_slow_workers_straggle_more_often() -> None:
    lost = np.count_nonzero(~FirstArrivals(latency=_GAMMA).draw(3, masks=2000, seed=0).arrived, axis=0)
    assert stats.spearmanr(lost, _GAMMA.scales).statistic > 0.95


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Exactly(workers=0), r"`workers` must be at least 1, but got 0\."),
        (lambda: WorstOf(workers=0, sample=2), r"`workers` must be at least 1, but got 0\."),
        (lambda: WorstOf(workers=4, sample=0), r"`sample` must be at least 1, but got 0\."),
        (lambda: Bursts(workers=4, rack=0), r"`1 <= rack <= workers` must hold, but got racks of 0 of 4\."),
        (lambda: Bursts(workers=4, rack=5), r"`1 <= rack <= workers` must hold, but got racks of 5 of 4\."),
    ],
)
def test_models_of_nobody_are_refused(build: Callable[[], CountedModel], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
