"""Whoever runs the tasks."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Workers(Protocol):
    """Workers that are really distinct: each is a process, an actor or a thread of its own.

    A worker is given one task at a time. One that died is started again by whoever runs it; `is_back` waits for that.
    """

    async def run(self, worker: int, coded: Tensor) -> Tensor:
        """Return a worker's answer [c] to one coded query […], as its network gives it (logits).

        Raises:
            WorkerLostError: If the worker died, or cannot be reached.
        """

    async def is_back(self, worker: int) -> None:
        """Wait until a worker that was lost is there again."""

    async def close(self) -> None:
        """End all workers."""
