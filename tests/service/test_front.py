"""The decisions of the front: laws under any order of events, and the single cases."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nercc_tune.service.commands import Command, Forget, Refuse, Reply, Run, Source
from nercc_tune.service.front import Front
from nercc_tune.service.rules import Answers, Deadline
from nercc_tune.service.scheme import Hedge, Pool, Scheme, Task

_POOLED = Scheme(name="none", queries=1, pools=(Pool(workers=(0, 1, 2)),), tasks=(Task(pool=0, bears=0),))
_PARITY = Scheme(
    name="parm",
    queries=2,
    pools=(Pool(workers=(0, 1)), Pool(workers=(2,), network="parity-1")),
    tasks=(Task(pool=0, bears=0), Task(pool=0, bears=1), Task(pool=1)),
    rule=Answers(count=2),
)
_CODED = Scheme(
    name="coded",
    queries=3,
    pools=tuple(Pool(workers=(worker,)) for worker in range(5)),
    tasks=tuple(Task(pool=pool, bears={0: 0, 2: 1, 4: 0}.get(pool)) for pool in range(5)),
    rule=Deadline(seconds=2.0, least=2, count=4),
)
_HEDGED = Scheme(
    name="hedged",
    queries=1,
    pools=(Pool(workers=(0, 1, 2)),),
    tasks=(Task(pool=0, bears=0), Task(pool=0, bears=0, is_hedge=True)),
    hedge=Hedge(quantile=0.5, budget=1.0),
)
_AT_ONCE = replace(_PARITY, name="parm at once", sends_at_once=True)
_COPIES_AT_ONCE = replace(_CODED, name="coded at once", sends_at_once=True)


def _of(commands: list[Command], kind: type[Command]) -> list[Command]:
    return [command for command in commands if isinstance(command, kind)]


class _Runner:
    """Does what a front asks, and checks that it may be asked."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.running: dict[int, Run] = {}
        self.away: set[int] = set()
        self.told: list[int] = []
        self.submitted = 0
        self._groups: set[int] = set()

    def obey(self) -> None:
        for command in self.front.commands():
            match command:
                case Run(worker, group, _):
                    assert worker not in self.running
                    assert worker not in self.away
                    self.running[worker] = command
                    self._groups.add(group)
                case Reply(query, group, _, _, tasks):
                    assert group in self._groups
                    assert tasks
                    self.told.append(query)
                case Refuse(query, _):
                    self.told.append(query)
                case Forget(group):
                    assert all(run.group != group for run in self.running.values())

    def happen(self, chance: random.Random, now: float) -> None:
        event, worker = chance.random(), chance.randrange(self.front.scheme.workers)
        if event < 0.4:
            self.front.submit(self.submitted, now)
            self.submitted += 1
        elif event < 0.8 and self.running:
            worker = chance.choice(sorted(self.running))
            del self.running[worker]
            self.front.finish(worker, now, is_sound=chance.random() < 0.9)
        elif event < 0.9 and worker not in self.away:
            self.away.add(worker)
            self.running.pop(worker, None)
            self.front.leave(worker, now)
        elif event >= 0.9 and self.away:
            self.front.come_back(self.away.pop(), now)
        self.obey()

    def end(self, now: float) -> None:
        for worker in sorted(self.away):
            self.front.come_back(worker, now)
        self.away.clear()
        self.obey()
        while self.running or self.front.waiting:
            now += 0.5
            self.front.tick(now)
            self.obey()
            for worker in sorted(self.running):
                del self.running[worker]
                self.front.finish(worker, now)
                self.obey()


@pytest.mark.parametrize(
    "scheme", [_POOLED, _PARITY, _CODED, _HEDGED, _AT_ONCE, _COPIES_AT_ONCE], ids=lambda scheme: scheme.name
)
@given(seed=st.integers(0, 10_000))
def test_each_query_is_answered_or_refused_once_and_nothing_is_left(scheme: Scheme, seed: int) -> None:
    """Whatever ends, dies and comes back in whatever order."""
    chance = random.Random(seed)  # noqa: S311 - events
    front, now = Front(scheme, timeout_s=20.0), 0.0
    runner = _Runner(front)
    for _ in range(60):
        now += chance.expovariate(4.0)
        front.tick(now)
        runner.obey()
        runner.happen(chance, now)
    runner.end(now)
    assert sorted(runner.told) == list(range(runner.submitted))
    tally = front.tally
    assert sum(tally.replies.values()) + tally.refused == runner.submitted
    assert not front._groups
    assert tally.burned_s <= tally.busy_s


def test_a_query_is_answered_with_its_own_answer_at_once() -> None:
    front = Front(_PARITY)
    front.submit(7, 0.0)
    assert not front.commands()
    front.submit(8, 0.1)
    assert front.commands() == [Run(0, 1, 0), Run(1, 1, 1), Run(2, 1, 2)]
    front.finish(1, 1.0)
    assert front.commands() == [Reply(8, 1, 1, Source.OWN, (1,))]
    front.finish(2, 2.0)
    assert front.commands() == [Reply(7, 1, 0, Source.DECODED, (1, 2))]
    front.finish(0, 5.0)
    assert front.commands() == [Forget(1)]
    assert front.tally.unused == 1
    assert front.tally.burned_s == pytest.approx(4.9)


def test_a_group_that_is_not_full_is_padded_after_its_wait() -> None:
    front = Front(_PARITY)
    front.submit(3, 1.0)
    assert front.next_timer == pytest.approx(1.01)
    front.tick(1.01)
    assert len(_of(front.commands(), Run)) == 3
    assert front.tally.padded == 1


def test_a_query_is_sent_at_once_and_the_mix_when_its_group_is_full() -> None:
    front = Front(_AT_ONCE)
    front.submit(7, 0.0)
    assert front.commands() == [Run(0, 1, 0)]
    front.finish(0, 0.1)
    assert front.commands() == [Reply(7, 1, 0, Source.OWN, (0,))]
    front.submit(8, 0.2)
    assert front.commands() == [Run(1, 1, 1), Run(2, 1, 2)]
    front.finish(2, 1.0)  # with the answer to 7 it tells that to 8
    assert front.commands() == [Reply(8, 1, 1, Source.DECODED, (0, 2))]
    front.submit(9, 1.1)
    assert front.commands() == [Run(0, 2, 0)]
    front.finish(1, 1.2)
    assert front.commands() == [Forget(1)]


def test_a_group_that_is_sent_at_once_is_padded_only_where_a_query_is_without_an_answer() -> None:
    front = Front(_AT_ONCE)
    front.submit(7, 0.0)
    front.tick(0.01)
    assert front.commands() == [Run(0, 1, 0), Run(1, 1, 1), Run(2, 1, 2)]
    front.finish(2, 0.5)
    assert not front.commands()
    front.finish(1, 0.6)  # what padded the group is an answer to the same query
    assert front.commands() == [Reply(7, 1, 0, Source.DECODED, (1, 2))]
    front.finish(0, 0.7)
    front.commands()
    front.submit(8, 1.0)
    front.finish(1, 1.005)
    front.tick(1.01)
    assert front.commands() == [Run(1, 2, 0), Reply(8, 2, 0, Source.OWN, (0,)), Forget(2)]
    assert front.tally.padded == 2


def test_a_copy_answers_where_the_own_answer_is_late() -> None:
    front = Front(_CODED)
    for query in range(3):
        front.submit(query, 0.0)
    front.commands()
    front.finish(4, 0.5)
    assert front.commands() == [Reply(0, 1, 0, Source.COPY, (4,))]


def test_the_deadline_holds_where_the_sum_of_times_is_rounded() -> None:
    scheme = replace(_CODED, rule=Deadline(seconds=0.12, least=2, count=4))
    rounded = [begin for begin in (number / 7 for number in range(1, 200)) if (begin + 0.12) - begin < 0.12]
    assert rounded
    for begin in rounded:
        front = Front(scheme)
        for query in range(3):
            front.submit(query, begin)
        front.finish(1, begin + 0.01)
        front.finish(3, begin + 0.01)
        front.tick(front.next_timer)  # that of the groups that are not full, long void
        while front.next_timer <= begin + 0.12:
            front.tick(front.next_timer)
        assert {reply.query for reply in _of(front.commands(), Reply) if isinstance(reply, Reply)} == {0, 1, 2}


def test_the_deadline_reads_what_is_there_and_no_less_than_enough() -> None:
    front = Front(_CODED)
    for query in range(3):
        front.submit(query, 0.0)
    front.commands()
    front.finish(1, 1.0)
    front.tick(2.0)
    assert not front.commands()
    front.finish(3, 2.5)
    assert front.commands() == [Reply(query, 1, query, Source.DECODED, (1, 3)) for query in range(3)]


def test_what_nobody_needs_is_not_begun() -> None:
    front = Front(_PARITY)
    for query in range(4):
        front.submit(query, 0.0)
    front.commands()
    front.finish(0, 1.0)  # its pool goes on with the second group
    front.finish(1, 1.0)
    front.commands()
    front.finish(0, 2.0)
    front.finish(1, 2.0)
    front.finish(2, 3.0)
    assert front.tally.dropped == 1
    assert front.tally.tasks == 5
    assert front.commands()[-2:] == [Forget(1), Forget(2)] or front.tally.unused == 1


def test_what_a_dead_worker_ran_goes_to_the_next_one() -> None:
    front = Front(_POOLED)
    front.submit(0, 0.0)
    front.commands()
    front.leave(0, 1.0)
    assert front.commands() == [Run(1, 1, 0)]


def test_a_task_that_is_lost_again_and_again_is_given_up() -> None:
    front = Front(_POOLED)
    front.submit(0, 0.0)
    for worker in range(3):
        assert _of(front.commands(), Run) == [Run(worker, 1, 0)]
        front.leave(worker, 1.0)
    assert front.commands() == [Refuse(0, "too few workers gave an answer"), Forget(1)]


def test_late_queries_are_sent_again_within_the_budget() -> None:
    front, now = Front(_HEDGED), 0.0
    for query in range(30):  # which all take a second
        front.submit(query, now)
        [run] = _of(front.commands(), Run)
        assert isinstance(run, Run)
        front.finish(run.worker, now + 1.0)
        front.commands()
        now += 2.0
    front.submit(30, now)
    front.commands()
    front.tick(now + 0.99)
    assert not front.commands()
    front.tick(now + 1.0)
    assert len(_of(front.commands(), Run)) == 1
    assert front.tally.hedges == 1


def test_a_query_without_an_answer_in_time_is_refused() -> None:
    front = Front(_POOLED, timeout_s=3.0)
    front.submit(0, 0.0)
    front.commands()
    front.tick(3.0)
    assert front.commands() == [Refuse(0, "no answer in time")]
    front.finish(0, 4.0)
    assert front.commands() == [Forget(1)]


def test_events_that_cannot_be_are_refused() -> None:
    front = Front(_POOLED)
    with pytest.raises(ValueError, match="`worker` must run a task, but 0 runs none"):
        front.finish(0, 0.0)
    front.submit(0, 0.0)
    with pytest.raises(ValueError, match="`query` must be a new number, but 0 waits"):
        front.submit(0, 0.0)
    with pytest.raises(ValueError, match="`timeout_s` must be positive, but got 0"):
        Front(_POOLED, timeout_s=0.0)
    with pytest.raises(ValueError, match="`arrange` must be None where queries are sent at once"):
        Front(_AT_ONCE, arrange=lambda _, queries: queries)
