"""What a launch and a worker report while they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nercc_tune.records import StudyHistory, TrialRecord


@dataclass(frozen=True, kw_only=True)
class LaunchEvents:
    """What a launch reports while it runs.

    Attributes:
        stage: Called with a line when a stage begins.
        begun: Called with what earlier launches left, before the search goes on.
        trial: Called with each finished trial.
        proposal: Called with the number of proposals done and the most there may be.
        notice: Called with a line about what happens beside the stages, from any thread.
        training: Called while networks of a code are trained, with the steps done, those there are, and a text.
    """

    stage: Callable[[str], None] = lambda _: None
    begun: Callable[[StudyHistory], None] = lambda _: None
    trial: Callable[[TrialRecord], None] = lambda _: None
    proposal: Callable[[int, int], None] = lambda _done, _budget: None
    notice: Callable[[str], None] = lambda _: None
    training: Callable[[int, int, str], None] = lambda _done, _total, _text: None


@dataclass(frozen=True, kw_only=True)
class WorkerEvents:
    """What a worker reports.

    Attributes:
        stage: Called with a line when a stage begins, and when the storage fails.
        ready: Called when everything is loaded and the search begins.
        proposal: Called with the number of proposals that all workers have done, and the most there may be.
        training: As of a launch.
    """

    stage: Callable[[str], None] = lambda _: None
    ready: Callable[[], None] = lambda: None
    proposal: Callable[[int, int], None] = lambda _done, _budget: None
    training: Callable[[int, int, str], None] = lambda _done, _total, _text: None
