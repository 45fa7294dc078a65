"""How a running service stands, for whoever watches it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nercc_tune.records import Strict
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.recent_answers import RecentAnswer
from nercc_tune.service.worker_statistics import WorkerStatus

__all__ = ["ServiceStatus", "TallyStatus"]


@dataclass(frozen=True, kw_only=True)
class TallyStatus(Strict):
    """A `Tally` at one moment, with the queries that were answered by the value of their `Source`."""

    groups: int
    padded: int
    replies: dict[str, int]
    refused: int
    tasks: int
    dropped: int
    unused: int
    hedges: int
    lost: int
    busy_s: float
    burned_s: float

    @classmethod
    def of(cls, tally: Tally) -> TallyStatus:
        """Return what a tally says now."""
        return cls(**(asdict(tally) | {"replies": {source.value: tally.replies[source] for source in Source}}))


@dataclass(frozen=True, kw_only=True)
class ServiceStatus(Strict):
    """How a service stands; `nercc_tune.records.to_json` makes plain values of it.

    Attributes:
        scheme: The name of its scheme.
        queries: K of it.
        waiting: How many queries are without an answer.
        overloads: How many were not taken since too many waited.
        unread: How many of the tally's replies could not be given, since an answer could not be read.
        is_closing: Whether it takes no more queries.
        tally: What was done so far.
        workers: In their order.
        recent: The last queries that were answered or refused, oldest first.
    """

    scheme: str
    queries: int
    waiting: int
    overloads: int
    unread: int
    is_closing: bool
    tally: TallyStatus
    workers: tuple[WorkerStatus, ...]
    recent: tuple[RecentAnswer, ...]
