"""Where the codes of a study that trains them come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nercc_tune.coding import TrainedCode
from nercc_tune.records import Epoch, Training

__all__ = ["Reports", "TrainedCodes", "TrainingOutcome"]

Reports = Callable[[int, float], bool]
"""Gets the number of an epoch that is done, from 0, and its validation accuracy; returns whether to give up."""


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """The epochs of a training, and whether it came to its end or was given up."""

    epochs: tuple[Epoch, ...]
    is_complete: bool


class TrainedCodes(Protocol):
    """Trains each code once, and finds again what was trained."""

    def check_queries(self) -> None:
        """Load the training queries, and refuse too few, before anything is trained.

        Raises:
            WorkloadError: If they cannot be used.
        """

    def of(self, training: Training) -> TrainedCode:
        """Return the code that a training gives, which is trained if it was not yet.

        Raises:
            OutputError: If the training diverges.
            WorkloadError: If the training queries cannot be used.
        """

    def train(self, training: Training, report: Reports) -> TrainingOutcome:
        """Train a code, or find it, and report each of its epochs; as `of`."""
