"""The runs of a study that a store holds already, found in a few searches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nercc_tune.tracking.content import KIND, PARENT, UID
from nercc_tune.tracking.silent import MlflowClient, Run

_PAGE = 1000
"""Runs fetched at a time; with their metrics and tags about a megabyte."""


@dataclass(frozen=True, kw_only=True)
class FoundRun:
    """A run of the study.

    Attributes:
        uid: Of the trial, or the name of the cell.
        started_ms: Its start time. A trial's run is that of a record only if both agree: the storage of an earlier
            study of the same file, since deleted, had the same uids.
        parent: Run of its cell; None for a cell's own.
    """

    run_id: str
    uid: str
    is_trial: bool
    started_ms: int
    status: str
    parent: str | None

    @property
    def is_running(self) -> bool:
        """Whether nobody has terminated the run."""
        return self.status == "RUNNING"


def find_runs(client: MlflowClient, experiment_id: str, digest: str, *, page: int = _PAGE) -> Iterator[FoundRun]:
    """Yield the runs of the study file with this digest, oldest first; a deleted run is not found."""
    token: str | None = None
    while True:
        found = client.search_runs(
            [experiment_id],
            filter_string=f"tags.digest = '{digest}'",
            max_results=page,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from (_found(run) for run in found if UID in run.data.tags)
        token = found.token
        if not token:
            return


def _found(run: Run) -> FoundRun:
    tags = run.data.tags
    return FoundRun(
        run_id=run.info.run_id,
        uid=tags[UID],
        is_trial=tags.get(KIND) == "trial",
        started_ms=run.info.start_time,
        status=run.info.status,
        parent=tags.get(PARENT),
    )
