from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from nercc_tune.workloads.in_threads import count_threads, in_threads, one_torch_thread


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let torch compute on some threads, on a machine with cores enough."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_as_many_threads_work_as_torch_computes_on(threads: int) -> None:
    assert count_threads() == threads

    def name(_: int) -> str:
        time.sleep(0.02)
        return threading.current_thread().name

    assert len(set(in_threads(name, range(3 * threads)))) == threads


@pytest.mark.usefixtures("threads")
def test_cores_that_the_process_must_not_use_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert count_threads() == 1


@pytest.mark.usefixtures("threads")
def test_results_are_in_the_order_of_the_items() -> None:
    def late(item: int) -> int:
        time.sleep(0.002 * (7 - item))
        return item * item

    assert in_threads(late, range(8)) == [item * item for item in range(8)]
    assert in_threads(late, []) == []


@pytest.mark.usefixtures("threads")
def test_the_first_item_that_fails_is_the_error() -> None:
    def fail(item: int) -> int:
        if item >= 2:
            time.sleep(0.01 * (5 - item))
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="item 2"):
        in_threads(fail, range(5))


def test_torch_computes_on_one_thread_meanwhile_and_on_as_many_as_before_afterwards(threads: int) -> None:
    assert set(in_threads(lambda _: torch.get_num_threads(), range(10))) == {1}
    assert torch.get_num_threads() == threads
    with one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
