"""Rebuilds the projection of a study from its history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nercc_tune.records import StudyHistory
from nercc_tune.tracking.projection import Projection


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """What a rebuild did.

    Attributes:
        added: Trials whose runs were missing.
        present: Trials whose runs were there.
        closed: Runs, of trials or cells, that were left running and are so no longer.
        removed: Runs that were there twice; those that were left running among them count as closed, too.
    """

    added: int
    present: int
    closed: int
    removed: int = 0


def sync(
    history: StudyHistory,
    *,
    url: str,
    artifacts: Path | None,
    files: Sequence[Path] = (),
    on_added: Callable[[int, int], None] = lambda _done, _of: None,
) -> SyncReport:
    """Bring a tracking store level with a study: add what is missing, close what was left running, mend doubles.

    A trial's run that was left running is completed where the history has the trial, else closed as KILLED. A second
    time changes nothing.

    Not to be run while the study is being launched: its runs would look left behind.

    Args:
        history: The study.
        url: The tracking store.
        artifacts: Folder of the files that belong to runs; a server keeps them where it likes.
        files: What the runs of the cells get as artifacts.
        on_added: Called after each run with the number of runs that were added, and that of all that are missing.

    Raises:
        TrackingError: If the store cannot be reached or read, or one of the files does not exist.
    """
    projection = Projection(url, artifacts)
    records = [(cell.cell, trial) for cell in history.cells for trial in cell.trials]
    closed = projection.open_study(history, resume=False)
    present, removed = projection.trials, projection.removed
    added = [(cell, trial) for cell, trial in records if (trial.uid, trial.started_ms) not in present]
    for done, (cell, trial) in enumerate(added, start=1):
        projection.log_trial(cell, trial)
        on_added(done, len(added))
    if files:
        projection.log_artifacts(files)
    projection.close(
        status="FINISHED" if history.is_finished else "KILLED",
        end_ms=max((trial.finished_ms for _, trial in records), default=None),
    )
    return SyncReport(added=len(added), present=len(records) - len(added), closed=closed, removed=removed)
