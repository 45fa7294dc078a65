"""The trials of a cell as one design has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nercc_tune.records import CellHistory, Design, Goal, Score, TrialRecord

__all__ = ["ShownTrial", "search_path", "shown_trials", "unscored_trials"]


@dataclass(frozen=True, kw_only=True)
class ShownTrial:
    """A completed trial with the λ_dec and the score that it has under the design that is shown."""

    trial: TrialRecord
    lambda_dec: float
    score: Score


def shown_trials(cell: CellHistory, design: Design) -> list[ShownTrial]:
    """Return the completed trials that were evaluated under a design, in the order of their proposals."""
    found = [
        ShownTrial(trial=trial, lambda_dec=option.lambda_dec, score=option.score)
        for trial in cell.trials
        if trial.encoding == design.encoding(trial.lambda_enc)
        for option in trial.options
        if (option.assignment, option.decode_space) == (design.assignment, design.decode_space)
    ]
    return sorted(found, key=lambda shown: shown.trial.proposal)


def unscored_trials(cell: CellHistory, design: Design) -> list[TrialRecord]:
    """Return the trials with a design's ordering and nodes that failed or were pruned."""
    return [
        trial for trial in cell.trials if trial.score is None and trial.encoding == design.encoding(trial.lambda_enc)
    ]


def search_path(shown: Sequence[ShownTrial], goal: Goal) -> list[ShownTrial]:
    """Return those that were better than all before them."""
    path: list[ShownTrial] = []
    for item in shown:
        if not path or goal.rank(item.score) < goal.rank(path[-1].score):
            path.append(item)
    return path
