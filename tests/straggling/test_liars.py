from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nercc_tune.straggling import Arrivals, Exactly, Independent, Liars, draw_liars

_COUNTED = Exactly(workers=11)


def _draw(
    arrivals: Arrivals,
    *,
    count: int | None = 3,
    probability: float | None = None,
    kinds: int = 2,
    sticky: bool = False,
    seed: int = 6,
) -> Liars:
    return draw_liars(arrivals, count=count, probability=probability, kinds=kinds, sticky=sticky, seed=seed)


def _arrivals(stragglers: int = 4, *, masks: int = 30) -> Arrivals:
    return _COUNTED.draw(stragglers, masks=masks, seed=5)


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize(("count", "probability"), [(0, None), (3, None), (11, None), (None, 0.0), (None, 0.3)])
def test_only_those_who_arrived_lie(count: int | None, probability: float | None, sticky: bool) -> None:
    arrivals = Independent(workers=11, probability=0.5).draw(masks=40, seed=0)
    lying = _draw(arrivals, count=count, probability=probability, sticky=sticky).lying
    assert lying.shape == (40, 11)
    assert (lying <= arrivals.arrived).all()


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("count", [0, 1, 4, 11])
def test_so_many_lie_as_are_asked_for_or_all(count: int, sticky: bool) -> None:
    arrivals = Independent(workers=11, probability=0.6).draw(masks=40, seed=1)
    lying = _draw(arrivals, count=count, sticky=sticky).lying
    assert np.array_equal(lying.sum(axis=1), np.minimum(arrivals.arrived.sum(axis=1), count))


def test_the_masks_have_the_kinds_in_turn() -> None:
    assert _draw(_arrivals(masks=7), kinds=3).kind.tolist() == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize(("count", "probability"), [(3, None), (None, 0.3)])
def test_sticky_liars_are_the_same_wherever_all_arrive(count: int | None, probability: float | None) -> None:
    lying = _draw(_arrivals(0), count=count, probability=probability, sticky=True, seed=2).lying
    assert lying[0].any()
    assert (lying == lying[0]).all()
    others = _draw(_arrivals(0), count=count, probability=probability, seed=2).lying
    assert len(np.unique(others, axis=0)) > 20


def test_sticky_liars_follow_one_order() -> None:
    order = np.random.default_rng(6).permutation(11)
    arrivals = _arrivals()
    for arrived, lying in zip(arrivals.arrived, _draw(arrivals, sticky=True).lying, strict=True):
        assert set(np.flatnonzero(lying)) == set([worker for worker in order if arrived[worker]][:3])


def test_every_set_of_workers_lies_equally_often() -> None:
    lying = _draw(_arrivals(0, masks=4400), count=2).lying.astype(np.int64)
    pairs = (lying.T @ lying)[np.triu_indices(11, k=1)]
    assert pairs.sum() == 4400
    assert abs(pairs - 80).max() < 5 * math.sqrt(80)  # five standard errors of a count of mean 80


def test_liars_are_not_those_who_would_straggle_next() -> None:
    arrivals, more = _arrivals(3, masks=2000), _arrivals(6, masks=2000)
    lying = _draw(arrivals, count=3).lying
    share = (lying & ~more.arrived).sum() / lying.sum()
    assert share == pytest.approx(3 / 8, abs=0.03)  # 3 of the 8 that arrived; five standard errors of 6000


def test_a_share_of_the_answers_is_wrong_under_a_probability() -> None:
    arrivals = _arrivals(4, masks=4000)
    lying = _draw(arrivals, count=None, probability=0.2).lying
    share = lying.sum(axis=0) / arrivals.arrived.sum(axis=0)
    assert share == pytest.approx(np.full(11, 0.2), abs=0.04)  # five standard errors of 2500 draws
    assert lying.sum() / arrivals.arrived.sum() == pytest.approx(0.2, abs=0.0126)  # five of 28000


def test_more_lie_under_a_larger_probability() -> None:
    few, many = (_draw(_arrivals(), count=None, probability=p).lying for p in (0.1, 0.4))
    assert (few <= many).all()
    assert few.sum() < many.sum()


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize(("count", "probability"), [(3, None), (None, 0.3)])
def test_liars_are_those_of_the_seed(count: int | None, probability: float | None, sticky: bool) -> None:
    arrivals = _arrivals()
    first, same, other = (
        _draw(arrivals, count=count, probability=probability, sticky=sticky, seed=seed).lying for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    fewer = Arrivals(arrived=arrivals.arrived[:4])
    again = _draw(fewer, count=count, probability=probability, sticky=sticky, seed=0).lying
    assert np.array_equal(again, first[:4])


@pytest.mark.parametrize("sticky", [False, True])
def test_liars_that_arrive_at_a_larger_count_lie_there_too(sticky: bool) -> None:
    few, many = _arrivals(2), _arrivals(5)
    counted, more = (_draw(arrivals, sticky=sticky).lying for arrivals in (few, many))
    assert ((counted & many.arrived) <= more).all()
    # Where all of them still arrive nobody takes the place of one.
    kept = (counted <= many.arrived).all(axis=1)
    assert kept.any()
    assert np.array_equal(counted[kept], more[kept])
    likely, less = (_draw(of, count=None, probability=0.3, sticky=sticky).lying for of in (few, many))
    assert np.array_equal(likely & many.arrived, less)


@pytest.mark.parametrize(
    ("count", "probability", "kinds", "message"),
    [
        (None, None, 1, r"one of `count` and `probability` must be given, but got None and None\."),
        (2, 0.5, 1, r"one of `count` and `probability` must be given, but got 2 and 0\.5\."),
        (-1, None, 1, r"`count` must be at least 0, but got -1\."),
        (None, math.nan, 1, r"`0 <= probability <= 1` must hold, but got nan\."),
        (None, 1.1, 1, r"`0 <= probability <= 1` must hold, but got 1\.1\."),
        (2, None, 0, r"`kinds` must be at least 1, but got 0\."),
    ],
)
def test_what_nobody_can_draw_is_refused(
    count: int | None, probability: float | None, kinds: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _draw(_arrivals(), count=count, probability=probability, kinds=kinds)


@pytest.mark.parametrize(
    ("lying", "kind", "message"),
    [
        (np.zeros((2, 3)), np.zeros(2, np.int64), r"`lying` must be booleans \[masks, workers\], but got float64"),
        (np.zeros(3, np.bool_), np.zeros(3, np.int64), r"`lying` must be booleans .* but got bool of \(3,\)\."),
        (np.zeros((2, 3), np.bool_), np.zeros(3, np.int64), r"`kind` must be a number .* 2 masks, .* of \(3,\)\."),
        (np.zeros((2, 3), np.bool_), np.array([0, -1]), r"`kind` must be a number from 0 for each of 2 masks"),
        (np.zeros((2, 3), np.bool_), np.zeros(2), r"`kind` must be a number .*, but got float64"),
    ],
)
def test_liars_of_other_shapes_are_refused(lying: NDArray[np.bool_], kind: NDArray[np.int64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Liars(lying=lying, kind=kind)
