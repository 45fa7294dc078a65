"""How the search of a cell converged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, TrialRecord

__all__ = ["Descent", "Step"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A trial, and the least error so far relative to that of (0, 0)."""

    trial: TrialRecord
    ratio: float
    is_better: bool = False


@dataclass(frozen=True, kw_only=True)
class Descent:
    """The least error so far on the tuning draws, relative to that of (0, 0).

    Attributes:
        name: Of the cell, for a legend.
        steps: The trials with a score by proposal; none where the error of (0, 0) is not known or 0.
        failed: Those that failed, each at the height of the line there.
    """

    name: str
    steps: tuple[Step, ...]
    failed: tuple[Step, ...]

    @classmethod
    def of(cls, cell: CellHistory) -> Descent:
        """Follow the search of a cell."""
        origin, best = _error_of_origin(cell), math.inf
        steps: list[Step] = []
        for trial in sorted(cell.trials, key=lambda trial: trial.proposal) if origin > 0 else ():
            if trial.score:
                error = cell.goal.error_of(trial.score)
                is_better, best = error < best, min(best, error)
                steps.append(Step(trial=trial, ratio=best / origin, is_better=is_better))
        failed = [trial for trial in cell.trials if trial.reason is not None and steps]
        return cls(
            name=f"S = {write_count(cell.cell)}",
            steps=tuple(steps),
            failed=tuple(Step(trial=trial, ratio=_height(steps, trial.proposal)) for trial in failed),
        )


def _error_of_origin(cell: CellHistory) -> float:
    """Return the error of (0, 0), 0 where it is not known."""
    baseline = cell.baselines.get("nercc_ag")
    if baseline:
        return cell.goal.error_of(baseline)
    origins = [trial.score for trial in cell.trials if trial.score and trial.lambda_enc == trial.lambda_dec == 0]
    return min(map(cell.goal.error_of, origins), default=0.0)


def _height(steps: Sequence[Step], proposal: int) -> float:
    """Return how high the line is where a proposal stands."""
    before = [step.ratio for step in steps if step.trial.proposal < proposal]
    return before[-1] if before else steps[0].ratio
