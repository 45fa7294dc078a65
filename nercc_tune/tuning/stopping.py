"""When to stop: further proposals no longer improve any cell."""

from __future__ import annotations

from collections.abc import Sequence

from nercc_tune.records import TrialRecord


def proposals_without_improvement(cells: Sequence[Sequence[TrialRecord]], min_improvement: float) -> int:
    """Return how many of the latest proposals improved no cell's best MSE by at least a share of it.

    Args:
        cells: The trials of each cell, ascending in proposal.
        min_improvement: For example 0.001: what is less than 0.1 % better than the best so far does not count.
    """
    latest = max((trials[-1].proposal for trials in cells if trials), default=0)
    improved = max((_last_improvement(trials, min_improvement) for trials in cells), default=0)
    return latest - improved


def _last_improvement(trials: Sequence[TrialRecord], min_improvement: float) -> int:
    best, at = float("inf"), 0
    for trial in trials:
        if trial.score is not None and trial.score.mse < best * (1 - min_improvement):
            best, at = trial.score.mse, trial.proposal
    return at
