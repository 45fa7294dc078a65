"""What a launch reports while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nercc_tune.records import TrialRecord


@dataclass(frozen=True, kw_only=True)
class LaunchEvents:
    """What a launch reports while it runs.

    Attributes:
        stage: Called with a line when a stage begins.
        trial: Called with each finished trial.
        proposal: Called with the number of proposals done and the most there may be.
    """

    stage: Callable[[str], None] = lambda _: None
    trial: Callable[[TrialRecord], None] = lambda _: None
    proposal: Callable[[int, int], None] = lambda _done, _budget: None
