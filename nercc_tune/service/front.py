"""Decides for each query what is sent to whom, whom to wait for, and what it is answered with."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from nercc_tune.service.commands import Command, Forget, Refuse, Reply, Run, Source, Tally
from nercc_tune.service.group import Arrange, Group
from nercc_tune.service.hedging import Hedging
from nercc_tune.service.queues import PoolQueue
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.timers import Timers

_ATTEMPTS = 3  # a task that kills three workers is not given to a fourth


class Front:
    """Makes groups of queries, sends their tasks, and answers each query as soon as the scheme allows.

    It knows no clock, no network and no tensor: it is told what happened and when, and `commands` says what to do. A
    service and a simulator run the same one. Times are seconds on any clock that does not go backwards.

    A worker runs one task at a time; what waits, waits here. A task whose worker dies goes to the next one. A group
    that is not full after `max_wait_s` is padded by its last query. What has begun is never interrupted, but burned.

    Attributes:
        tally: What was done so far.

    Args:
        scheme: How the workers are used.
        arrange: Called for each group before it is sent; None where the scheme's tasks bear the same queries always.
        timeout_s: How long after it was submitted a query is given up.

    Raises:
        ValueError: If not timeout_s > 0, or groups are to be arranged whose queries are sent at once.
    """

    def __init__(self, scheme: Scheme, *, arrange: Arrange | None = None, timeout_s: float = math.inf) -> None:
        if not timeout_s > 0:
            raise ValueError(f"`timeout_s` must be positive, but got {timeout_s}.")
        if scheme.sends_at_once and arrange is not None:
            raise ValueError("`arrange` must be None where queries are sent at once, before their group is full.")
        self.scheme = scheme
        self.tally = Tally()
        self._arrange = arrange
        self._timeout_s = timeout_s
        self._pools = [PoolQueue(pool) for pool in scheme.pools]
        self._pool_of = {worker: at for at, pool in enumerate(scheme.pools) for worker in pool.workers}
        self._hedging = None if scheme.hedge is None else Hedging(scheme.hedge)
        self._gathering: deque[tuple[int, float]] = deque()
        self._groups: dict[int, Group] = {}
        self._open: dict[int, tuple[int, int] | None] = {}  # queries without an answer: their group and place in it
        self._running: dict[int, tuple[int, int, float]] = {}
        self._timers = Timers()
        self._group_count = 0
        self._commands: list[Command] = []

    @property
    def waiting(self) -> int:
        """How many queries are without an answer."""
        return len(self._open)

    @property
    def next_timer(self) -> float:
        """When `tick` has something to do; infinity if nothing is waited for."""
        return self._timers.next

    def commands(self) -> list[Command]:
        """Return what to do, each once and in this order."""
        given, self._commands = self._commands, []
        return given

    def submit(self, query: int, now: float) -> None:
        """Take a query, by a number that no other one has.

        Raises:
            ValueError: If a query of this number waits.
        """
        if query in self._open:
            raise ValueError(f"`query` must be a new number, but {query} waits for its answer.")
        self._open[query] = None
        self._gathering.append((query, now))
        if self._hedging is not None:
            self._hedging.earn()
        if self._timeout_s < math.inf:
            self._timers.set(now + self._timeout_s, "timeout", query)
        if self.scheme.sends_at_once:
            self._send_query(query, now)
        if len(self._gathering) >= self.scheme.queries:
            self._send_group(now)
        elif len(self._gathering) == 1:
            self._timers.set(now + self.scheme.max_wait_s, "gathered", query)

    def finish(self, worker: int, now: float, *, is_sound: bool = True) -> None:
        """Note that a worker ended its task.

        Args:
            worker: Which.
            now: The time.
            is_sound: Whether what it answered is an answer, and no NaN. Otherwise another worker is asked.

        Raises:
            ValueError: If the worker runs nothing.
        """
        group_id, task, pool = self._end(worker, now)
        self._pools[pool].free(worker)
        group = self._groups[group_id]
        if not is_sound:
            self._lose(group_id, task)
        else:
            group.running -= 1
            if self._hedging is not None and not self.scheme.tasks[task].is_hedge:
                self._hedging.see(now - group.sent_at)
            group.arrived.add(task)
            if group.unanswered:
                self._use(group_id, group, task, now)
        self._settle(group_id)
        self._dispatch(pool, now)

    def leave(self, worker: int, now: float) -> None:
        """Note that a worker is gone; what it ran goes to the next one."""
        pool = self._pool_of[worker]
        self._pools[pool].leave(worker)
        if worker in self._running:
            group_id, task, _ = self._end(worker, now)
            self._lose(group_id, task)
            self._settle(group_id)
        self._dispatch(pool, now)

    def come_back(self, worker: int, now: float) -> None:
        """Note that a worker is there again."""
        pool = self._pool_of[worker]
        self._pools[pool].come_back(worker)
        self._dispatch(pool, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for kind, subject in self._timers.due(now):
            if kind == "gathered":
                if self._gathering and self._gathering[0][0] == subject:
                    self._send_group(now)
            elif kind == "timeout":
                if subject in self._open:
                    self._refuse(subject, "no answer in time")
            elif kind == "hedge":
                self._send_hedges(subject, now)
            elif (group := self._groups.get(subject)) is not None and self.scheme.rule is not None:
                # `now - sent_at` may round to less than the deadline at the very time of the timer.
                self._estimate(subject, group, max(now - group.sent_at, self.scheme.rule.deadline_s))
                self._settle(subject)

    def _send_query(self, query: int, now: float) -> None:
        """Send the tasks that bear a query; those that bear none follow when its group is full, or has waited."""
        if len(self._gathering) == 1:
            self._group_count += 1
            self._groups[self._group_count] = Group((), self.scheme.bears, now, set(), is_gathering=True)
        group_id, group = self._group_count, self._groups[self._group_count]
        place = group.join(query)
        self._open[query] = (group_id, place)
        self._send(group_id, group, [task for task in self.scheme.first_tasks if group.bears[task] == place], now)

    def _complete_group(self, now: float) -> None:
        """Send what is left of a group whose queries were sent when they came."""
        group_id, group, real = self._group_count, self._groups[self._group_count], len(self._gathering)
        self._gathering.clear()
        group.complete(self.scheme.queries, now)
        self._note_sent(group_id, real, now)
        self._estimate(group_id, group, 0.0)
        if group.unanswered:
            rest = [task for task in self.scheme.first_tasks if group.bears[task] not in range(real)]
            self._send(group_id, group, rest, now)
        self._settle(group_id)

    def _send_group(self, now: float) -> None:
        if self.scheme.sends_at_once:
            self._complete_group(now)
            return
        size = self.scheme.queries
        queries = [self._gathering.popleft()[0] for _ in range(min(size, len(self._gathering)))]
        if self._gathering:
            oldest, since = self._gathering[0]
            self._timers.set(since + self.scheme.max_wait_s, "gathered", oldest)
        queries = [query for query in queries if query in self._open]  # those of which nobody gave up
        if not queries:
            return
        self._group_count += 1
        group_id, real = self._group_count, len(queries)
        padded = tuple(queries + [queries[-1]] * (size - real))
        bears = self.scheme.bears if self._arrange is None else self._arrange(group_id, padded)
        if bears is None:
            for query in queries:
                self._turn_down(query, "its group cannot be sent")
            return
        self._groups[group_id] = group = Group(padded, bears, now, set(range(real)))
        self._open.update({query: (group_id, place) for place, query in enumerate(queries)})
        self._note_sent(group_id, real, now)
        self._send(group_id, group, self.scheme.first_tasks, now)

    def _note_sent(self, group_id: int, real: int, now: float) -> None:
        """Count a group, and set what will be due for it."""
        self.tally.groups += 1
        self.tally.padded += real < self.scheme.queries
        if self._hedging is not None:
            self._timers.set(now + self._hedging.delay_s, "hedge", group_id)
        if self.scheme.rule is not None:
            self._timers.set(now + self.scheme.rule.deadline_s, "deadline", group_id)

    def _send(self, group_id: int, group: Group, tasks: Sequence[int], now: float) -> None:
        """Let tasks wait for workers, first those that bear a query, or give them to idle ones."""
        tasks = sorted(tasks, key=lambda task: group.bears[task] not in group.unanswered)
        pools = [self.scheme.tasks[task].pool for task in tasks]
        for task, pool in zip(tasks, pools, strict=True):
            self._pools[pool].add(group_id, task)
        group.running += len(tasks)
        for pool in dict.fromkeys(pools):
            self._dispatch(pool, now)

    def _send_hedges(self, group_id: int, now: float) -> None:
        group = self._groups.get(group_id)
        if group is None or not group.unanswered or self._hedging is None or not self._hedging.spend():
            return
        tasks = [task for task in self.scheme.hedges if group.bears[task] in group.unanswered]
        self.tally.hedges += len(tasks)
        self._send(group_id, group, tasks, now)

    def _dispatch(self, pool: int, now: float) -> None:
        taken, dropped = self._pools[pool].take(lambda group_id: bool(self._groups[group_id].unanswered))
        for worker, group_id, task in taken:
            self._running[worker] = (group_id, task, now)
            self.tally.tasks += 1
            self._commands.append(Run(worker, group_id, task))
        for group_id in dropped:
            self.tally.dropped += 1
            self._groups[group_id].running -= 1
            self._settle(group_id)

    def _end(self, worker: int, now: float) -> tuple[int, int, int]:
        if worker not in self._running:
            raise ValueError(f"`worker` must run a task, but {worker} runs none.")
        group_id, task, since = self._running.pop(worker)
        self.tally.busy_s += now - since
        if not self._groups[group_id].unanswered:
            self.tally.unused += 1
            self.tally.burned_s += now - since
        return group_id, task, self._pool_of[worker]

    def _lose(self, group_id: int, task: int) -> None:
        group = self._groups[group_id]
        self.tally.lost += 1
        if group.lose(task) < _ATTEMPTS and group.unanswered:
            self._pools[self.scheme.tasks[task].pool].put_back(group_id, task)
        else:
            group.running -= 1

    def _use(self, group_id: int, group: Group, task: int, now: float) -> None:
        place = group.bears[task]
        if self.scheme.gives_own and place is not None and place in group.unanswered:
            source = Source.OWN if group.first[place] == task else Source.COPY
            self._reply(group_id, group, place, source, (task,))
        self._estimate(group_id, group, now - group.sent_at)

    def _estimate(self, group_id: int, group: Group, waited_s: float) -> None:
        if self.scheme.rule is None or group.is_gathering or not group.unanswered:
            return
        readable = sorted(self.scheme.rule.readable(group.arrived, group.unanswered, waited_s))
        arrived = tuple(sorted(group.arrived)) if readable else ()
        for place in readable:
            self._reply(group_id, group, place, Source.DECODED, arrived)

    def _reply(self, group_id: int, group: Group, place: int, source: Source, tasks: tuple[int, ...]) -> None:
        query = group.queries[place]
        group.unanswered.discard(place)
        if self._open.pop(query, None) is not None:
            self.tally.replies[source] += 1
            self._commands.append(Reply(query, group_id, place, source, tasks))

    def _refuse(self, query: int, reason: str) -> None:
        where = self._turn_down(query, reason)
        if where is not None:
            self._groups[where[0]].unanswered.discard(where[1])
            self._settle(where[0])

    def _turn_down(self, query: int, reason: str) -> tuple[int, int] | None:
        self.tally.refused += 1
        self._commands.append(Refuse(query, reason))
        return self._open.pop(query)

    def _settle(self, group_id: int) -> None:
        """Give up what cannot be answered any more, and forget the group when nothing of it waits or runs."""
        group = self._groups[group_id]
        if group.running or group.is_gathering:
            return
        self._estimate(group_id, group, math.inf)
        for place in sorted(group.unanswered):
            if group.queries[place] in self._open:
                self._turn_down(group.queries[place], "too few workers gave an answer")
        del self._groups[group_id]
        self._commands.append(Forget(group_id))
