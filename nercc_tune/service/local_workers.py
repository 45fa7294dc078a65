"""Workers in this process, each a thread: for tests, for measurements, and where one machine is enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from nercc_tune.errors import WorkerLostError
from nercc_tune.service.slowness import Slowness

__all__ = ["LocalWorkers", "Network"]

Network = Callable[[Tensor], Tensor]
"""Takes a batch of queries [1, …] to outputs [1, c]."""


class LocalWorkers:
    """Workers that run in this process, and may be made slow.

    A worker that has begun is busy until it ends, whether or not anybody waits for it any more: a forward pass cannot
    be interrupted, and neither can induced slowness.

    Args:
        networks: What each worker runs.
        slowness: How much longer each takes; None for not at all.
        is_inline: Whether networks run on the event loop and not in threads; for those that cost nothing.
    """

    def __init__(
        self, networks: Sequence[Network], *, slowness: Slowness | None = None, is_inline: bool = False
    ) -> None:
        if not networks:
            raise ValueError("`networks` must not be empty: there must be a worker.")
        self._networks = tuple(networks)
        self._slowness = slowness
        self._threads = None if is_inline else ThreadPoolExecutor(len(networks), thread_name_prefix="worker")
        self._turns = [asyncio.Lock() for _ in networks]
        self._numbers = [0] * len(networks)
        self._begun_at: float | None = None
        self._running: set[asyncio.Task[Tensor]] = set()
        self._is_closed = False

    async def run(self, worker: int, coded: Tensor) -> Tensor:
        """Return a worker's answer [c] to one coded query […].

        Raises:
            WorkerLostError: If the workers were closed.
        """
        if self._is_closed:
            raise WorkerLostError("the workers were ended; start the service again.")
        if self._threads is None and self._slowness is None:
            return self._answer(worker, coded)
        task = asyncio.ensure_future(self._take(worker, coded))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def is_back(self, worker: int) -> None:
        """Return at once: none is ever lost."""

    async def close(self) -> None:
        """End all workers, without waiting for what they run."""
        self._is_closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _take(self, worker: int, coded: Tensor) -> Tensor:
        loop = asyncio.get_running_loop()
        async with self._turns[worker]:
            number, begun = self._numbers[worker], time.perf_counter()
            self._numbers[worker] += 1
            if self._begun_at is None:
                self._begun_at = begun
            if self._threads is None:
                answer = self._answer(worker, coded)
            else:
                answer = await loop.run_in_executor(self._threads, self._answer, worker, coded)
            if self._slowness is not None:
                taken = time.perf_counter() - begun
                await asyncio.sleep(self._slowness.extra_s(worker, number, begun - self._begun_at, taken))
            return answer

    def _answer(self, worker: int, coded: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._networks[worker](coded[None])[0]
