"""When to stop: further proposals no longer improve any cell."""

from __future__ import annotations

from collections.abc import Sequence

from nercc_tune.records import Goal, TrialRecord


def proposals_without_improvement(cells: Sequence[Sequence[TrialRecord]], *, goal: Goal, min_improvement: float) -> int:
    """Return how many of the latest proposals improved no cell's best by at least a share of it.

    Args:
        cells: The trials of each cell, ascending in proposal.
        goal: What is optimised. A metric that is maximised counts by what is missing to 1; to come nearer to a floor
            that is not kept yet is an improvement too.
        min_improvement: For example 0.001: what is less than 0.1 % better than the best so far does not count.
    """
    latest = max((trials[-1].proposal for trials in cells if trials), default=0)
    improved = max((_last_improvement(trials, goal, min_improvement) for trials in cells), default=0)
    return latest - improved


def _last_improvement(trials: Sequence[TrialRecord], goal: Goal, min_improvement: float) -> int:
    nearest, best, at = float("inf"), float("inf"), 0
    for trial in trials:
        if trial.score is None:
            continue
        shortfall, value = goal.shortfall(trial.score), goal.value(trial.score)
        loss = 1 - value if goal.is_maximised else value
        is_better = loss < best - min_improvement * abs(best) if best < float("inf") else True
        if shortfall < nearest or (shortfall == nearest and is_better):
            nearest, best, at = shortfall, loss, trial.proposal
    return at
