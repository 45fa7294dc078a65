"""What a launch leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nercc_tune.errors import TrackingError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import StudyHistory
from nercc_tune.records.timings import Timings


@dataclass(frozen=True, kw_only=True, eq=False)
class LaunchResult:
    """What a launch leaves.

    Attributes:
        forwards: Forward passes over the groups of each part that this launch computed.
        folder: Where the table, the figures and the report lie.
        tracking_error: Why MLflow may lack something, else None.
    """

    history: StudyHistory
    table: TunedTable
    timings: Timings
    forwards: dict[str, float]
    folder: Path
    tracking_error: TrackingError | None
