from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from nercc_tune.straggling import (
    Arrivals,
    Deadline,
    Independent,
    Strata,
    Trace,
    WorkerGamma,
    make_strata,
    merge,
    occurring,
    reach,
    stratified,
)

_GAMMA = WorkerGamma(workers=12, shape=2.0, scale=1.0, spread=0.5, correlation=0.4)
_STRATA = Strata(edges=(1, 3, 12), weights=(0.25, 0.25, 0.5))


def _repeat(tally: dict[int, int]) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(np.repeat(list(tally), list(tally.values())))


def test_counts_fall_into_the_range_that_holds_them() -> None:
    assert _STRATA.of(np.arange(15)).tolist() == [0, 0, 1, 1] + [2] * 11
    assert Strata(edges=(4,), weights=(1.0,)).of(np.array([0, 4, 9])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("tally", "most", "strata"),
    [
        (dict.fromkeys(range(10), 10), 5, Strata(edges=(1, 3, 5, 7, 9), weights=(0.2,) * 5)),
        (dict.fromkeys(range(10), 10), 1, Strata(edges=(9,), weights=(1.0,))),
        ({4: 7}, 5, Strata(edges=(4,), weights=(1.0,))),
        ({0: 50, 3: 50}, 5, Strata(edges=(0, 3), weights=(0.5, 0.5))),
        ({0: 40, 3: 60}, 2, Strata(edges=(0, 3), weights=(0.4, 0.6))),
        ({0: 36, 1: 38, 2: 19, 3: 7}, 4, Strata(edges=(0, 1, 3), weights=(0.36, 0.38, 0.26))),
        ({0: 1, 5: 999}, 2, Strata(edges=(5,), weights=(1.0,))),
        ({0: 999, 5: 1}, 2, Strata(edges=(5,), weights=(1.0,))),
        ({0: 499, 2: 2, 5: 499}, 3, Strata(edges=(0, 5), weights=(0.499, 0.501))),
    ],
)
def test_strata_are_of_nearly_equal_probability(tally: dict[int, int], most: int, strata: Strata) -> None:
    assert make_strata(_repeat(tally), most=most) == strata


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 50])
def test_strata_of_a_sample_follow_their_law(most: int) -> None:
    counts = Deadline(latency=_GAMMA, deadline=2.0).draw(masks=2000, seed=0).stragglers
    strata = make_strata(counts, most=most)
    assert 1 <= len(strata.edges) <= most
    assert set(strata.edges) <= set(counts.tolist())
    assert strata.edges[-1] == counts.max()
    assert np.allclose(np.bincount(strata.of(counts)) / 2000, strata.weights, rtol=0, atol=1e-12)
    assert min(strata.weights) >= 0.5 / most


@pytest.mark.parametrize(
    ("edges", "weights", "message"),
    [
        ((), (), r"`edges` must be one or more ascending numbers from 0 on, but got \(\)\."),
        ((-1, 2), (0.5, 0.5), r"`edges` must be .* but got \(-1, 2\)\."),
        ((2, 2), (0.5, 0.5), r"`edges` must be .* but got \(2, 2\)\."),
        ((1, 2), (1.0,), r"`weights` must be one for each of 2 strata, but got \(1\.0,\)\."),
        ((1, 2), (0.5, 0.4), r"`weights` must be positive with the sum 1, but got \(0\.5, 0\.4\)\."),
        ((1, 2), (1.0, 0.0), r"`weights` must be positive with the sum 1, but got \(1\.0, 0\.0\)\."),
        ((1, 2), (1.0, math.nan), r"`weights` must be positive with the sum 1, but got \(1\.0, nan\)\."),
    ],
)
def test_strata_that_are_no_law_are_refused(edges: tuple[int, ...], weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Strata(edges=edges, weights=weights)


@pytest.mark.parametrize(
    "counts", [np.array([], dtype=np.int64), np.array([-1, 2]), np.array([0.5]), np.ones((2, 2), int)]
)
def test_counts_that_are_none_are_refused(counts: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match=r"`counts` must be one or more whole numbers from 0 on, but got"):
        make_strata(counts, most=3)


def test_no_strata_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`most` must be at least 1, but got 0\."):
        make_strata(np.array([1, 2]), most=0)


def test_each_stratum_gets_its_masks() -> None:
    model = Deadline(latency=_GAMMA, deadline=2.0)
    drawn = stratified(model, _STRATA, masks=300, seed=0)
    for stratum, arrivals in enumerate(drawn):
        assert len(arrivals.arrived) == 300
        assert (_STRATA.of(arrivals.stragglers) == stratum).all()
        assert arrivals.waiting is not None
        assert (arrivals.waiting[arrivals.stragglers > 0] >= 2.0).all()
        assert (arrivals.waiting[arrivals.stragglers == 0] <= 2.0).all()


def test_masks_of_a_stratum_follow_the_law_of_the_model_given_the_stratum() -> None:
    model = Independent(workers=12, probability=0.3)
    pmf = stats.binom.pmf(np.arange(12), 12, 0.3)
    # 3000 masks are more than one batch of the model.
    middle = stratified(model, Strata(edges=(1, 5, 12), weights=(0.1, 0.7, 0.2)), masks=3000, seed=3)[1]
    counts = np.bincount(middle.stragglers)[2:]
    assert stats.chisquare(counts, pmf[2:6] / pmf[2:6].sum() * 3000).pvalue > 1e-3
    assert len(np.unique(middle.arrived, axis=0)) > 1000


def test_masks_are_bit_identical_for_equal_arguments() -> None:
    model = Deadline(latency=_GAMMA, deadline=2.0)
    first, same, other = (stratified(model, _STRATA, masks=50, seed=seed) for seed in (0, 0, 1))
    for one, two, three in zip(first, same, other, strict=True):
        assert one.arrived.tobytes() == two.arrived.tobytes()
        assert one.waiting is not None
        assert two.waiting is not None
        assert one.waiting.tobytes() == two.waiting.tobytes()
        assert one.arrived.tobytes() != three.arrived.tobytes()


def test_more_masks_begin_with_the_same_ones() -> None:
    model = Independent(workers=12, probability=0.3)
    for few, many in zip(*(stratified(model, _STRATA, masks=masks, seed=0) for masks in (20, 700)), strict=True):
        assert np.array_equal(few.arrived, many.arrived[:20])
        assert few.waiting is None


def test_rare_strata_make_do_with_what_a_bounded_number_of_draws_holds() -> None:
    # P(S = 3) = 0.001 / (1 − 0.0001): about 0.0036 · 65 536 = 236 of 4 workers with one arrival, S.D. 15.
    model = Independent(workers=4, probability=0.1)
    common, rare = stratified(model, Strata(edges=(2, 3), weights=(0.99, 0.01)), masks=1000, seed=0)
    assert len(common.arrived) == 1000
    assert 236 - 60 < len(rare.arrived) < 236 + 60


def test_strata_that_never_occur_are_refused() -> None:
    model = Independent(workers=4, probability=0.0)
    message = r"`strata` must each occur under the straggler model, but 1 to 2 stragglers did not in 65536 draws\."
    with pytest.raises(ValueError, match=message):
        stratified(model, Strata(edges=(0, 2), weights=(0.5, 0.5)), masks=5, seed=0)
    with pytest.raises(ValueError, match=r"`masks` must be at least 1, but got 0\."):
        stratified(model, _STRATA, masks=0, seed=0)


def test_a_trace_gives_what_it_has_and_nothing_twice() -> None:
    latency = Trace(latencies=_GAMMA.sample(500, seed=1)).model(workers=12, part="heldout")
    model = Deadline(latency=latency, deadline=2.0)
    whole = model.draw(masks=200, seed=7)
    drawn = stratified(model, _STRATA, masks=500, seed=0)
    assert sum(len(arrivals.arrived) for arrivals in drawn) == 200
    for stratum, arrivals in enumerate(drawn):
        expected = whole.arrived[_STRATA.of(whole.stragglers) == stratum]
        assert sorted(arrivals.arrived.tolist()) == sorted(expected.tolist())
    assert [len(arrivals.arrived) for arrivals in stratified(model, _STRATA, masks=9, seed=0)] == [9, 9, 9]


@dataclass(frozen=True)
class _Recording:
    """Counts its draws and hands out masks with one straggler only."""

    seeds: list[int]
    workers: int = 3
    limit: int | None = None

    def draw(self, *, masks: int, seed: int) -> Arrivals:
        self.seeds.append(seed)
        return Arrivals(arrived=np.tile([False, True, True], (masks, 1)))


def test_drawing_stops_when_every_stratum_is_full_and_seeds_are_derived() -> None:
    model = _Recording(seeds=[])
    stratified(model, Strata(edges=(3,), weights=(1.0,)), masks=2500, seed=4)
    assert model.seeds == [int(np.random.SeedSequence([4, batch]).generate_state(1)[0]) for batch in range(3)]


def test_strata_that_do_not_occur_go_to_the_lighter_neighbour() -> None:
    strata = Strata(edges=(0, 2, 5, 9), weights=(0.2, 0.1, 0.4, 0.3))
    cases = {
        (True, True, True, True): ((0, 2, 5, 9), (0.2, 0.1, 0.4, 0.3)),
        (False, True, True, True): ((2, 5, 9), (0.3, 0.4, 0.3)),
        (True, True, False, True): ((0, 5, 9), (0.2, 0.5, 0.3)),
        (True, True, True, False): ((0, 2, 9), (0.2, 0.1, 0.7)),
        (False, False, False, True): ((9,), (1.0,)),
        (False, True, False, False): ((9,), (1.0,)),
    }
    for occurs, (edges, weights) in cases.items():
        merged = merge(strata, np.array(occurs))
        assert merged.edges == edges
        assert merged.weights == pytest.approx(weights)


def test_what_occurs_is_what_masks_are_drawn_of() -> None:
    model = Deadline(latency=Trace(latencies=_GAMMA.sample(60, seed=1)).model(workers=12, part="heldout"), deadline=2.0)
    strata = Strata(edges=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), weights=(1 / 12,) * 12)
    occurs = occurring(model, strata, seed=0)
    assert 1 < occurs.sum() < 12
    assert all(len(arrivals.arrived) for arrivals in stratified(model, merge(strata, occurs), masks=3, seed=0))
    with pytest.raises(ValueError, match=r"`strata` must each occur"):
        stratified(model, strata, masks=3, seed=0)


def test_the_last_stratum_reaches_as_far_as_is_asked() -> None:
    assert reach(_STRATA, _STRATA.edges[-1] + 3).edges == (*_STRATA.edges[:-1], _STRATA.edges[-1] + 3)
    assert reach(_STRATA, 0) == _STRATA
