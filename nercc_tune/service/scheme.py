"""How a service uses its workers: what it sends to whom for each group of queries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from nercc_tune.records import Strict
from nercc_tune.service.rules import Rule


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Workers that run one network and share one queue: whoever is free takes the next task.

    Attributes:
        workers: Their numbers in the service.
        network: What they run; None for the served model.

    Raises:
        ValueError: If there are none.
    """

    workers: tuple[int, ...]
    network: str | None = None

    def __post_init__(self) -> None:
        if not self.workers:
            raise ValueError("`workers` must not be empty: a pool without workers answers nothing.")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is sent to one worker for a group.

    Attributes:
        pool: Which pool's workers may run it.
        bears: The query of the group whose own answer it gives; None where it is a mix of several.
        is_hedge: Whether it is sent only if its query is late.
    """

    pool: int
    bears: int | None = None
    is_hedge: bool = False


@dataclass(frozen=True, kw_only=True)
class Hedge(Strict):
    """When a late query is sent again.

    Attributes:
        quantile: Of the times that answers took lately: whoever takes longer is late.
        budget: How many hedges there may be for each query in the long run.

    Raises:
        ValueError: If one is not in (0, 1), or (0, 1].

    Reference:
        Dean and Barroso 2013, The Tail at Scale, Communications of the ACM 56 (2), "hedged requests".
    """

    quantile: float = 0.95
    budget: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ValueError(f"`quantile` must be in (0, 1), but got {self.quantile}.")
        if not 0 < self.budget <= 1:
            raise ValueError(f"`budget` must be in (0, 1], but got {self.budget}.")


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How a service uses its workers.

    Attributes:
        name: As tables and figures name it.
        queries: K, how many make a group.
        pools: The workers, each in one pool.
        tasks: What is sent for a group.
        rule: When the queries that have no answer of their own are estimated; None where nothing is decoded.
        hedge: When the tasks that are hedges are sent; needed where there are some.
        max_wait_s: How long a query waits for others to make a group; then the group is padded.
        gives_own: Whether a query is answered with its own answer at once. Otherwise it waits for the decoder, which
            may find that a worker is wrong.
        sends_at_once: Whether the tasks that bear a query are sent when it comes, and only mixes wait for the group.

    Raises:
        ValueError: If something is missing, twice there, or of no use.
    """

    name: str
    queries: int
    pools: tuple[Pool, ...]
    tasks: tuple[Task, ...]
    rule: Rule | None = None
    hedge: Hedge | None = None
    max_wait_s: float = 0.01
    gives_own: bool = True
    sends_at_once: bool = False

    def __post_init__(self) -> None:
        if not self.queries >= 1:
            raise ValueError(f"`queries` must be at least 1, but got {self.queries}.")
        if not 0 <= self.max_wait_s < math.inf:
            raise ValueError(f"`max_wait_s` must be at least 0 and finite, but got {self.max_wait_s}.")
        numbers = [number for pool in self.pools for number in pool.workers]
        if sorted(numbers) != list(range(len(numbers))):
            raise ValueError(f"`pools` must hold the workers 0, 1, … once each, but got {sorted(numbers)}.")
        for task in self.tasks:
            if not 0 <= task.pool < len(self.pools):
                raise ValueError(f"`pool` must be one of {len(self.pools)} pools, but got {task.pool}.")
            if task.bears is not None and not 0 <= task.bears < self.queries:
                raise ValueError(f"`bears` must be one of {self.queries} queries, but got {task.bears}.")
        if self.hedge is None and any(task.is_hedge for task in self.tasks):
            raise ValueError("`hedge` must say when the tasks that are hedges are sent.")
        if self.sends_at_once and self.hedge is not None:
            raise ValueError("`hedge` must be None where queries are sent at once, since groups are hedged.")
        if not self.gives_own and self.rule is None:
            raise ValueError("`rule` must say when to decode where own answers are not given.")
        borne = {task.bears for task in self.tasks if not task.is_hedge}
        if self.rule is None and not borne >= set(range(self.queries)):
            raise ValueError("`rule` must say when to decode where a query has no answer of its own.")

    @cached_property
    def workers(self) -> int:
        """How many there are in all."""
        return sum(len(pool.workers) for pool in self.pools)

    @cached_property
    def bears(self) -> tuple[int | None, ...]:
        """Of each task, the query whose own answer it gives."""
        return tuple(task.bears for task in self.tasks)

    @cached_property
    def first_tasks(self) -> tuple[int, ...]:
        """The tasks that are sent for every group."""
        return tuple(number for number, task in enumerate(self.tasks) if not task.is_hedge)

    @cached_property
    def hedges(self) -> tuple[int, ...]:
        """The tasks that are sent for late queries only."""
        return tuple(number for number, task in enumerate(self.tasks) if task.is_hedge)
