from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from nercc_tune.records import Goal, Score, TrialRecord
from nercc_tune.tuning.stopping import proposals_without_improvement


def _trials(*mses: float | None) -> list[TrialRecord]:
    return [
        TrialRecord(
            uid=f"cell#{proposal}",
            number=proposal,
            proposal=proposal,
            proposed_for=2,
            lambda_enc=0.0,
            lambda_dec=0.0,
            score=None if mse is None else _score(mse),
            started_ms=0,
            finished_ms=0,
        )
        for proposal, mse in enumerate(mses)
    ]


def _score(mse: float) -> Score:
    return Score(
        mse=mse,
        prob_mse=mse,
        accuracy=1.0,
        rel_acc=1.0,
        agreement=1.0,
        mse_p95=mse,
        prob_mse_p95=mse,
        rel_acc_p5=1.0,
        agreement_p5=1.0,
    )


@pytest.mark.parametrize(
    ("cells", "share", "expected"),
    [
        ([[]], 0.0, 0),
        ([[1.0]], 0.0, 0),
        ([[1.0, 1.0, 1.0]], 0.0, 2),
        ([[1.0, 0.9, 0.95, 0.9]], 0.0, 2),
        ([[1.0, 0.9, 0.8]], 0.0, 0),
        ([[1.0, 0.995, 0.991]], 0.01, 2),
        ([[1.0, 0.995, 0.985]], 0.01, 0),
        ([[1.0, 0.5, 0.6, 0.7], [1.0, 1.0, 0.9, 1.0]], 0.0, 1),
        ([[1.0, None, None]], 0.0, 2),
        ([[None, None, 1.0]], 0.0, 0),
        ([[None, None, None]], 0.0, 2),
        ([[0.0, 0.0]], 0.1, 1),
    ],
)
def test_proposals_without_improvement(cells: Sequence[Sequence[float | None]], share: float, expected: int) -> None:
    trials = [_trials(*mses) for mses in cells]
    assert proposals_without_improvement(trials, goal=Goal(), min_improvement=share) == expected


def test_small_improvements_do_not_add_up_unnoticed() -> None:
    """Each is too small beside the best that counted, until together they are large enough."""
    falling = [1.0 * 0.996**step for step in range(4)]
    assert proposals_without_improvement([_trials(*falling)], goal=Goal(), min_improvement=0.01) == 0
    assert proposals_without_improvement([_trials(*falling[:3])], goal=Goal(), min_improvement=0.01) == 2


def _agreeing(*agreements: float) -> list[TrialRecord]:
    """Return trials whose MSE falls all the time, and whose agreement is given."""
    trials = _trials(*(1.0 / (1 + at) for at in range(len(agreements))))
    return [
        replace(trial, score=replace(trial.score, agreement=agreement)) if trial.score else trial
        for trial, agreement in zip(trials, agreements, strict=True)
    ]


@pytest.mark.parametrize(
    ("agreements", "share", "expected"),
    [
        ([0.9, 0.8, 0.7], 0.0, 2),
        ([0.9, 0.95, 0.9], 0.0, 1),
        ([0.9, 0.909, 0.9], 0.1, 2),  # 9 % of what was missing
        ([0.9, 0.911, 0.9], 0.1, 1),
        ([1.0, 1.0, 1.0], 0.0, 2),
    ],
)
def test_what_is_maximised_counts_by_what_is_missing(agreements: list[float], share: float, expected: int) -> None:
    goal = Goal(metric="agreement")
    found = proposals_without_improvement([_agreeing(*agreements)], goal=goal, min_improvement=share)
    assert found == expected


@pytest.mark.parametrize(
    ("agreements", "expected"),
    [
        ([0.5, 0.6, 0.7], 0),  # nearer to the floor each time
        ([0.5, 0.4, 0.3], 2),  # the MSE falls, the floor is farther away
        ([0.5, 0.9, 0.5], 1),
        ([0.9, 0.9, 0.9], 0),  # kept, so that the MSE counts
    ],
)
def test_to_come_nearer_to_a_floor_is_an_improvement(agreements: list[float], expected: int) -> None:
    goal = Goal(min_agreement=0.8)
    assert proposals_without_improvement([_agreeing(*agreements)], goal=goal, min_improvement=0.01) == expected
