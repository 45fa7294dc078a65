"""Workers that are actors on a Ray cluster, each a process of its own.

They are actors, and no deployments of Ray Serve: of 12 calls at once the last returned after 20 ms, and after 74 ms
through the routers of Ray Serve (median, two busy cores); a handle reaches one certain worker; and a call tells of the
death of its worker, where a router waits in silence for the next one.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nercc_tune.errors import ServiceError, WorkerLostError
from nercc_tune.service.packed_network import pack_network, unpack_network
from nercc_tune.service.slowness import Slowness
from nercc_tune.text.one_line import one_line

__all__ = ["NAMESPACE", "Placement", "RayWorkers", "StartedWorkers", "start_workers"]

NAMESPACE = "nercc-tune"
"""Where all actors of ours have their names."""

_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What each worker is given.

    Attributes:
        num_cpus: CPUs that Ray reserves; a worker computes on one thread.
        num_gpus: GPUs, of which a share is fine.
        device: Where its network runs, of the devices that it sees.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    device: str = "cpu"


class _Worker:
    """Runs one network, one query at a time. A forward pass is never interrupted, nor is what makes it slow."""

    def __init__(
        self, number: int, packed: Sequence[Any], *, device: str, slowness: Slowness | None, began: float
    ) -> None:
        torch.set_num_threads(1)
        self._number = number
        self._device = torch.device(device)
        (reference,) = packed
        self._network: nn.Module = unpack_network(_ray().get(reference)).to(self._device)
        self._slowness = slowness
        self._began = began
        self._count = 0

    def ping(self) -> int:
        """Return the id of the process."""
        return os.getpid()

    def run(self, coded: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs [c] for one query […]."""
        started = time.time()
        with torch.inference_mode():
            query = torch.from_numpy(np.array(coded)).to(self._device)
            answer: NDArray[Any] = self._network(query[None])[0].float().cpu().numpy()
        if self._slowness is not None:
            now, service_s = started - self._began, time.time() - started
            time.sleep(max(0.0, self._slowness.extra_s(self._number, self._count, now, service_s)))
        self._count += 1
        return answer


class RayWorkers:
    """Workers that were started by `start_workers`, from any process of the cluster; see `Workers`.

    Args:
        names: Of the actors.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    @cached_property
    def _actors(self) -> list[Any]:
        try:
            return [_ray().get_actor(name, namespace=NAMESPACE) for name in self._names]
        except ValueError as error:
            raise ServiceError("the workers of this service have ended; start it again.") from error

    async def run(self, worker: int, coded: Tensor) -> Tensor:
        """Return a worker's answer [c] to one coded query […]."""
        try:
            answer = await self._actors[worker].run.remote(coded.numpy())
        except _ray().exceptions.RayActorError as error:
            raise WorkerLostError(f"worker {worker} died, or cannot be reached.") from error
        return torch.from_numpy(np.array(answer))

    async def is_back(self, worker: int) -> None:
        """Wait until a worker that was lost is there again; Ray starts it."""
        while True:
            try:
                await self._actors[worker].ping.remote()
            except _ray().exceptions.RayActorError:
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def close(self) -> None:
        """End all workers."""
        for actor in self._actors:
            _end(actor)


@dataclass(frozen=True, kw_only=True, eq=False)
class StartedWorkers:
    """Workers as who started them holds them: they end with that process, or by `end`."""

    names: tuple[str, ...]
    _actors: tuple[Any, ...]
    _packed: tuple[Any, ...]  # Ray keeps them for restarts as long as they are held here

    def wait(self, timeout_s: float) -> tuple[int, ...]:
        """Wait until all are ready, and return the ids of their processes.

        Raises:
            ServiceError: If one cannot be started, or not in time.
        """
        ray = _ray()
        try:
            return tuple(ray.get([actor.ping.remote() for actor in self._actors], timeout=timeout_s))
        except ray.exceptions.GetTimeoutError as error:
            raise ServiceError(
                f"not all {len(self.names)} workers were ready after {timeout_s:g} s; "
                "give fewer `--workers`, or a cluster with room for them."
            ) from error
        except ray.exceptions.RayError as error:
            raise ServiceError(f"a worker cannot be started: {_reason(error)}.") from error

    def end(self) -> None:
        """End all workers."""
        for actor in self._actors:
            _end(actor)


def start_workers(
    networks: Sequence[nn.Module], *, prefix: str, placement: Placement, slowness: Slowness | None = None
) -> StartedWorkers:
    """Begin to start a worker for each network; equal ones are sent once.

    Args:
        networks: Of each worker.
        prefix: What no other workers of this cluster have, for their names.
        placement: What each is given.
        slowness: What makes them slow, in a measurement.

    Raises:
        ServiceError: If a network cannot be sent.
    """
    ray = _ray()
    packed = {id(network): ray.put(pack_network(network)) for network in {id(each): each for each in networks}.values()}
    names, began = tuple(f"{prefix}-{number}" for number in range(len(networks))), time.time()
    kind = ray.remote(_Worker)
    with _quiet_creation():
        actors = tuple(
            kind.options(
                name=name,
                namespace=NAMESPACE,
                num_cpus=placement.num_cpus,
                num_gpus=placement.num_gpus,
                max_restarts=-1,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
            ).remote(number, (packed[id(network)],), device=placement.device, slowness=slowness, began=began)
            for number, (name, network) in enumerate(zip(names, networks, strict=True))
        )
    return StartedWorkers(names=names, _actors=actors, _packed=tuple(packed.values()))


def _end(actor: Any) -> None:
    ray = _ray()
    with suppress(ray.exceptions.RayError):
        ray.kill(actor, no_restart=True)


def _ray() -> Any:
    """Return Ray, which reads the environment when it is first imported: whoever starts a cluster sets that before."""
    return importlib.import_module("ray")


@contextmanager
def _quiet_creation() -> Iterator[None]:
    """Keep Ray's core from writing that an actor may not start again without its arguments: they are kept here."""
    shown = os.dup(2)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)


def _reason(error: Exception) -> str:
    """Return the line of an error that says why: Ray's own text is a page."""
    lines = [line.strip() for line in str(getattr(error, "cause", None) or error).splitlines() if line.strip()]
    return one_line(lines[-1] if lines else type(error).__name__).rstrip(".")
