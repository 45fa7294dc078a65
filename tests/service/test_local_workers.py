"""Workers in threads, and their slowness."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import torch
from torch import Tensor

from nercc_tune.errors import WorkerLostError
from nercc_tune.service.local_workers import LocalWorkers, Network
from tests.service.doubles import same


class _Slow:
    """Makes one worker slow, and notes what it is asked."""

    def __init__(self, worker: int, seconds: float) -> None:
        self.asked: list[tuple[int, int]] = []
        self._worker = worker
        self._seconds = seconds

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:
        assert now_s >= 0
        assert service_s >= 0
        self.asked.append((worker, number))
        return self._seconds if worker == self._worker else 0.0


@pytest.mark.parametrize("is_inline", [True, False])
def test_each_worker_runs_its_network_without_gradients(is_inline: bool) -> None:
    async def serve() -> list[Tensor]:
        networks: list[Network] = [torch.nn.Linear(2, 3), same]
        workers = LocalWorkers(networks, is_inline=is_inline)
        answers = [await workers.run(worker, torch.ones(2)) for worker in (0, 1)]
        await workers.close()
        return answers

    answers = asyncio.run(serve())
    assert answers[0].shape == (3,)
    assert not answers[0].requires_grad
    assert torch.equal(answers[1], torch.ones(2))


def test_workers_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def meet(queries: Tensor) -> Tensor:
        meeting.wait()
        return queries

    async def serve() -> None:
        workers = LocalWorkers([meet, meet])
        await asyncio.gather(workers.run(0, torch.ones(1)), workers.run(1, torch.ones(1)))
        await workers.close()

    asyncio.run(serve())


def test_a_slow_worker_stays_busy_though_nobody_waits() -> None:
    slowness = _Slow(0, 0.05)

    async def serve() -> float:
        workers = LocalWorkers([same, same], slowness=slowness, is_inline=True)
        first = asyncio.ensure_future(workers.run(0, torch.ones(1)))
        await asyncio.sleep(0.005)
        first.cancel()
        begun = time.perf_counter()
        await workers.run(1, torch.ones(1))
        assert time.perf_counter() - begun < 0.04
        await workers.run(0, torch.ones(1))
        seconds = time.perf_counter() - begun
        await workers.close()
        return seconds

    assert asyncio.run(serve()) >= 0.09  # what is left of the first, and the second
    assert slowness.asked == [(0, 0), (1, 0), (0, 1)]


def test_the_end_does_not_wait_for_the_slow() -> None:
    async def serve() -> float:
        workers = LocalWorkers([same], slowness=_Slow(0, 60.0), is_inline=True)
        running = asyncio.ensure_future(workers.run(0, torch.ones(1)))
        await asyncio.sleep(0.005)
        begun = time.perf_counter()
        await workers.close()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(WorkerLostError, match="the workers were ended; start the service again"):
            await workers.run(0, torch.ones(1))
        await workers.is_back(0)
        return time.perf_counter() - begun

    assert asyncio.run(serve()) < 1
    with pytest.raises(ValueError, match="`networks` must not be empty"):
        LocalWorkers([])
