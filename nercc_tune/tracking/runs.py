"""The runs of a study that a store holds already: found in a few searches, and told apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from nercc_tune.tracking.content import KIND, PARENT, UID
from nercc_tune.tracking.silent import MlflowClient, Run

TrialKey = tuple[str, int]
"""Uid and start of a trial."""

_PAGE = 500
"""Runs fetched at a time; with their metrics and tags half a megabyte, which a busy server answers in time."""

_Group = TypeVar("_Group")


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
    def key(self) -> TrialKey:
        """By which a trial's run is that of a record."""
        return self.uid, self.started_ms

    @property
    def is_running(self) -> bool:
        """Whether nobody has terminated the run."""
        return self.status == "RUNNING"

    @property
    def is_complete(self) -> bool:
        """Whether all was written that belongs into the run of a trial, whose status is written last."""
        return self.status in ("FINISHED", "FAILED")


@dataclass(frozen=True, kw_only=True)
class SortedRuns:
    """The runs of a study, each cell and each trial once.

    Attributes:
        cells: By name of the cell.
        trials: Those that the history has, by uid and start.
        doubles: Runs that say nothing which another does not; the answer to a request was lost, and it was repeated.
        others: The rest: what the history does not know.
        foreign: Those of the rest that belong to an earlier storage of the same study file.
    """

    cells: dict[str, FoundRun]
    trials: dict[TrialKey, FoundRun]
    doubles: tuple[FoundRun, ...]
    others: tuple[FoundRun, ...]
    foreign: frozenset[str]


def find_runs(client: MlflowClient, experiment_id: str, digest: str, *, page: int = _PAGE) -> Iterator[FoundRun]:
    """Yield the runs of the study file with this digest, oldest first; a deleted run is not found."""
    return map(_found, search_all(client, [experiment_id], f"tags.digest = '{digest}'", order="ASC", page=page))


def search_all(
    client: MlflowClient,
    experiment_ids: list[str],
    condition: str,
    *,
    order: Literal["ASC", "DESC"],
    page: int = _PAGE,
) -> Iterator[Run]:
    """Yield the runs of cells and trials that fulfil a condition, by their starts; a page at a time is held."""
    token: str | None = None
    while token != "":
        found = client.search_runs(
            experiment_ids, condition, max_results=page, order_by=[f"attributes.start_time {order}"], page_token=token
        )
        yield from (run for run in found if UID in run.data.tags)
        token = found.token or ""


def sort_runs(found: Sequence[FoundRun], records: Collection[TrialKey]) -> SortedRuns:
    """Tell apart which runs count, which are there twice, and which belong to an earlier storage.

    A trial that the history does not have is an earlier storage's if it began before all that it does have, or under
    the uid of one of them; else another worker's, which the history has not seen yet. The run of a cell with an earlier
    storage's trial is an earlier storage's as well. Of runs that are there twice a complete one is kept; of a cell's
    the one with most trials. Only a trial that the history has can be there twice, and a cell's run is a double only if
    the history has all its trials: another worker may be at work on the others.

    Args:
        found: The runs, as from `find_runs`.
        records: The trials of the history.
    """
    trials = [run for run in found if run.is_trial]
    known = [run for run in trials if run.key in records]
    uids = {uid for uid, _ in records}
    first_ms = min((started for _, started in records), default=math.inf)
    strange = [run for run in trials if run.key not in records]
    earlier = [run for run in strange if run.started_ms < first_ms or run.uid in uids]
    old_cells = {run.parent for run in earlier}
    children = Counter(run.parent for run in trials)
    kept_trials = _best(known, lambda run: run.key, lambda run: (not run.is_complete, run.run_id))
    kept_cells = _best(
        [run for run in found if not run.is_trial and run.run_id not in old_cells],
        lambda run: run.uid,
        lambda run: (-children[run.run_id], not run.is_complete, run.started_ms, run.run_id),
    )
    kept = {run.run_id for run in (*kept_trials.values(), *kept_cells.values())}
    foreign = {run.run_id for run in earlier} | {run.run_id for run in found if run.run_id in old_cells}
    wanted = kept | foreign | {run_id for run in strange for run_id in (run.run_id, run.parent)}
    doubles = tuple(run for run in found if run.run_id not in wanted)
    ours = kept | {run.run_id for run in doubles}
    return SortedRuns(
        cells=kept_cells,
        trials=kept_trials,
        doubles=doubles,
        others=tuple(run for run in found if run.run_id not in ours),
        foreign=frozenset(foreign),
    )


def _best(
    runs: Iterable[FoundRun],
    group: Callable[[FoundRun], _Group],
    rank: Callable[[FoundRun], tuple[int | str, ...]],
) -> dict[_Group, FoundRun]:
    """Return the run of least rank of each group."""
    best: dict[_Group, FoundRun] = {}
    for run in sorted(runs, key=rank):
        best.setdefault(group(run), run)
    return best


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
