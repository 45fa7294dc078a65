from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nercc_tune.serving.drain_test import DrainTest

TEST = DrainTest(false_alarms=0.02, gap=200)


def _after(test: DrainTest, is_suspected: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return R after streams of answers [n, N] of N workers."""
    known = test.start(is_suspected.shape[1])
    for row in is_suspected:
        known = test.advance(known, row)
    statistic: NDArray[np.float64] = np.expm1(test.evidence(known) * math.log1p(test.gap))
    return statistic


def _mean_of_all_streams(test: DrainTest, answers: int, share: float) -> float:
    """Return the exact mean of R after n answers that are suspected independently, over all 2^n streams."""
    streams = (np.arange(2**answers) >> np.arange(answers)[:, None] & 1).astype(bool)
    weights = np.where(streams, share, 1 - share).prod(0)
    return float((weights * _after(test, streams)).sum())


@pytest.mark.parametrize("test", [TEST, DrainTest(false_alarms=0.3, gap=1e9, faulty=0.35)], ids=["rare", "often"])
@pytest.mark.parametrize("answers", [1, 2, 9])
def test_the_statistic_of_a_worker_at_the_limit_is_the_number_of_its_answers_on_average(
    test: DrainTest, answers: int
) -> None:
    assert _mean_of_all_streams(test, answers, test.false_alarms) == pytest.approx(answers, rel=1e-12)
    assert _mean_of_all_streams(test, answers, test.false_alarms / 2) < answers
    assert _mean_of_all_streams(test, answers, test.faulty) > answers


def test_the_statistic_is_that_of_its_definition() -> None:
    stream, expected = [False, True, True, False], []
    for share in np.exp(TEST.log_shares):
        statistic = 0.0
        for is_suspected in stream:
            ratio = share / 0.02 if is_suspected else (1 - share) / (1 - 0.02)
            statistic = (1 + statistic) * ratio
        expected.append(statistic)
    assert _after(TEST, np.array(stream)[:, None])[0] == pytest.approx(np.mean(expected), rel=1e-12)


def test_the_shares_rise_evenly_from_the_least_that_must_be_found() -> None:
    assert np.exp(TEST.log_shares) == pytest.approx([0.1, 0.1**0.75, 0.1**0.5, 0.1**0.25])


@pytest.mark.parametrize("is_together", [False, True], ids=["independent", "all at once"])
def test_healthy_workers_are_drained_at_most_once_in_a_gap_of_answers(*, is_together: bool) -> None:
    workers, groups = 1000, 800
    drawn = np.random.default_rng(0)
    known, drains = TEST.start(workers), 0
    for _ in range(groups):
        chances = np.full(workers, drawn.random()) if is_together else drawn.random(workers)
        known = TEST.advance(known, chances < 0.02)
        is_to_drain = TEST.evidence(known) >= 1
        drains += int(is_to_drain.sum())
        known[is_to_drain] = 0
    assert 0 < drains <= workers * groups / TEST.gap


def test_the_mean_run_of_a_healthy_worker_is_at_least_the_gap() -> None:
    workers, longest = 1000, 1000
    drawn = np.random.default_rng(1)
    known, runs = TEST.start(workers), np.full(workers, longest)
    for answers in range(1, longest + 1):
        known = TEST.advance(known, drawn.random(workers) < 0.02)
        runs[TEST.evidence(known) >= 1] = np.minimum(runs, answers)[TEST.evidence(known) >= 1]
    assert runs.min() < TEST.gap <= runs.mean()  # those of `longest` are cut short, so that the mean is too low


@pytest.mark.parametrize(
    ("share", "most"), [(0.1, 170), (0.2, 65), (0.5, 15), (1.0, 3)]
)  # log(4 gap) / KL(share, 0.001) is 41, 17, 5.6 and 2.2; at the least share the mixture waits longer
def test_faulty_workers_are_found_soon(share: float, most: int) -> None:
    test = DrainTest(false_alarms=0.001)
    drawn = np.random.default_rng(2)
    known, is_found = test.start(400), np.zeros(400, np.bool_)
    for _ in range(most):
        known = test.advance(known, drawn.random(400) < share)
        is_found |= test.evidence(known) >= 1
    assert is_found.mean() > 0.99


def test_nothing_is_known_at_first() -> None:
    assert TEST.evidence(TEST.start(3)).tolist() == [0, 0, 0]


def test_the_longest_streams_and_the_widest_limits_stay_finite() -> None:
    test = DrainTest(false_alarms=5e-324, gap=1e300, faulty=1 - 1e-16)
    known = np.full((2, 4), 1e9)  # that of more than a million suspicions
    for _ in range(1000):
        known = test.advance(known, np.array([True, False]))
    assert np.isfinite(known).all()
    assert np.isfinite(test.evidence(known)).all()


@pytest.mark.parametrize(
    ("false_alarms", "faulty"), [(0, 0.1), (0.1, 0.1), (0.2, 0.1), (0.1, 1), (math.nan, 0.1), (0.1, math.nan)]
)
def test_shares_out_of_order_are_refused(false_alarms: float, faulty: float) -> None:
    with pytest.raises(ValueError, match=rf"^`0 < false_alarms < faulty < 1` must hold, but got {false_alarms} and "):
        DrainTest(false_alarms=false_alarms, faulty=faulty)


@pytest.mark.parametrize("gap", [1, 0, -5, math.inf, math.nan])
def test_a_gap_that_is_none_is_refused(gap: float) -> None:
    with pytest.raises(ValueError, match=rf"^`1 < gap < inf` must hold, but got {gap}\.$"):
        DrainTest(false_alarms=0.001, gap=gap)
