"""Work on many items by several threads, with the results in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

__all__ = ["count_threads", "in_threads", "one_torch_thread"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def count_threads() -> int:
    """Return how many threads may work at a time: as many as torch computes on, but no more than there are cores.

    So `OMP_NUM_THREADS` holds here too, several workers share the cores of a host, and cores that this process must not
    use count as none.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, torch.get_num_threads()))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute on one thread inside the block, in this thread and in those that begin there.

    Preparing an image is little work: measured on two shared cores, torch's threads waited for each other up to ten
    times as long as one of them took.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return the result for each item, in the order of the items, whatever the number of threads.

    Decoding and resizing an image hold no lock of Python's. The first item that fails ends the work with its error.
    """
    threads = count_threads()
    if threads == 1:
        return [work(item) for item in items]
    with one_torch_thread(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
