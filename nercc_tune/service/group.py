"""A group of queries that a front has sent, wholly or in part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Arrange = Callable[[int, tuple[int, ...]], Sequence[int | None] | None]
"""Takes a group's number and queries, as submitted, to which query each task bears; None if it cannot be prepared."""


@dataclass(slots=True)
class Group:
    """What is known of it.

    Attributes:
        queries: As they were submitted, padded by the last one when the group is sent.
        bears: Of each task, the query that it bears, as a place in the group; None for a mix.
        sent_at: When it was sent, or the first part of it while it is gathering.
        unanswered: The places of queries without an answer.
        is_gathering: Whether more queries may come.
        running: How many tasks wait or run.
        arrived: The tasks whose answers are there.
        lost: How often each task was lost.
        first: Of each query, the task that bears it first.
    """

    queries: tuple[int, ...]
    bears: Sequence[int | None]
    sent_at: float
    unanswered: set[int]
    is_gathering: bool = False
    running: int = 0
    arrived: set[int] = field(default_factory=set)
    lost: dict[int, int] = field(default_factory=dict)
    first: dict[int | None, int] = field(init=False)

    def __post_init__(self) -> None:
        self.first = {query: task for task, query in reversed(list(enumerate(self.bears)))}

    def join(self, query: int) -> int:
        """Take a query, and return its place."""
        place = len(self.queries)
        self.queries += (query,)
        self.unanswered.add(place)
        return place

    def complete(self, size: int, now: float) -> None:
        """Take no more queries."""
        self.queries += self.queries[-1:] * (size - len(self.queries))
        self.is_gathering = False
        self.sent_at = now

    def lose(self, task: int) -> int:
        """Note that a task was lost, and return how often it was."""
        self.lost[task] = self.lost.get(task, 0) + 1
        return self.lost[task]
