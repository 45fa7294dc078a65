"""Workers on a Ray cluster for one measurement."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from torch import nn

from nercc_tune.launch.crews.ray_cluster import connected
from nercc_tune.service.ray_workers import NAMESPACE, Placement, RayWorkers, start_workers
from nercc_tune.service.slowness import Slowness
from nercc_tune.service.workers import Workers

__all__ = ["bench_cluster", "ray_workers"]

_CPUS = 4  # as many processes are started at a time
_READY_S = 300.0


@contextmanager
def bench_cluster(address: str) -> Iterator[None]:
    """Be connected to a cluster within the block.

    Args:
        address: As of `connected`.

    Raises:
        CrewError: If Ray is not installed, or the cluster cannot be reached.
    """
    with connected(address, cpus=_CPUS, extras={"namespace": NAMESPACE}):
        yield


@asynccontextmanager
async def ray_workers(networks: Sequence[nn.Module], slowness: Slowness) -> AsyncIterator[Workers]:
    """Start an actor for each network, and end them all with the block; they reserve no CPUs.

    Raises:
        ServiceError: If one cannot be started.
    """
    started = start_workers(
        networks, prefix=f"bench-{secrets.token_hex(4)}", placement=Placement(num_cpus=0.0), slowness=slowness
    )
    try:
        await asyncio.to_thread(started.wait, _READY_S)
        yield RayWorkers(started.names)
    finally:
        started.end()
