"""What a front asks of whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Source(Enum):
    """Where an answer to a query came from."""

    OWN = "own"  # of the first worker that was sent the query itself
    COPY = "copy"  # of another one
    DECODED = "decoded"


@dataclass(frozen=True, slots=True)
class Run:
    """Let a worker run a task of a group."""

    worker: int
    group: int
    task: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a query of a group, from the answer to one task or by decoding those to several.

    Attributes:
        query: As it was submitted.
        place: Which one of its group it is.
        tasks: Whose answers it comes from.
    """

    query: int
    group: int
    place: int
    source: Source
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell who asked that a query stays without an answer, and why."""

    query: int
    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop what is kept of a group: nothing of it runs any more."""

    group: int


Command = Run | Reply | Refuse | Forget


@dataclass(slots=True)
class Tally:
    """What a front has done so far.

    Attributes:
        groups: How many were sent.
        padded: Of these, how many were not full.
        replies: How many queries were answered, by source.
        refused: How many were not.
        tasks: How many workers ran.
        dropped: How many were not begun when nobody needed them any more.
        unused: How many had begun, and ended when nobody needed them any more.
        hedges: How many late queries were sent again.
        lost: How many tasks a worker died with, or answered with what is no answer.
        busy_s: How long workers ran, in worker-seconds.
        burned_s: Of this, how long they ran what nobody used.
    """

    groups: int = 0
    padded: int = 0
    replies: dict[Source, int] = field(default_factory=lambda: dict.fromkeys(Source, 0))
    refused: int = 0
    tasks: int = 0
    dropped: int = 0
    unused: int = 0
    hedges: int = 0
    lost: int = 0
    busy_s: float = 0.0
    burned_s: float = 0.0
