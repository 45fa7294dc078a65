"""The queue of a pool."""

from __future__ import annotations

from nercc_tune.service.queues import PoolQueue
from nercc_tune.service.scheme import Pool


def test_who_has_been_idle_for_longest_takes_what_has_waited_for_longest() -> None:
    queue = PoolQueue(Pool(workers=(4, 5)))
    for group in (1, 2, 3):
        queue.add(group, 0)
    assert queue.take(lambda _: True) == ([(4, 1, 0), (5, 2, 0)], [])
    queue.free(5)
    assert queue.take(lambda _: True) == ([(5, 3, 0)], [])


def test_what_nobody_needs_goes_though_all_workers_are_away() -> None:
    queue = PoolQueue(Pool(workers=(0,)))
    queue.leave(0)
    for group in (1, 2, 3):
        queue.add(group, 0)
    assert queue.take(lambda group: group == 3) == ([], [1, 2])
    queue.come_back(0)
    assert queue.take(lambda group: group == 3) == ([(0, 3, 0)], [])


def test_what_was_lost_is_the_next() -> None:
    queue = PoolQueue(Pool(workers=(0,)))
    queue.add(1, 0)
    queue.put_back(2, 0)
    assert queue.take(lambda _: True) == ([(0, 2, 0)], [])
