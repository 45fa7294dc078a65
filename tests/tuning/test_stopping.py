from __future__ import annotations

from collections.abc import Sequence

import pytest

from nercc_tune.records import Score, TrialRecord
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
    assert proposals_without_improvement([_trials(*mses) for mses in cells], share) == expected


def test_small_improvements_do_not_add_up_unnoticed() -> None:
    """Each is too small beside the best that counted, until together they are large enough."""
    falling = [1.0 * 0.996**step for step in range(4)]
    assert proposals_without_improvement([_trials(*falling)], 0.01) == 0
    assert proposals_without_improvement([_trials(*falling[:3])], 0.01) == 2
