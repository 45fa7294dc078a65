"""The one replica that holds the front: the engine, and the entrance before it."""

from __future__ import annotations

import asyncio
import importlib
import logging
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nercc_tune.hosting.metrics import ServiceMetrics
from nercc_tune.hosting.plan import Plan
from nercc_tune.service.engine import Engine
from nercc_tune.service.entrance import Entrance, Serving
from nercc_tune.service.ray_workers import RayWorkers

__all__ = ["FrontDoor"]

_LOG = logging.getLogger(__name__)
_REFRESH_S = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Current:
    plan: Plan
    engine: Engine
    serving: Serving


class FrontDoor:
    """A deployment of Ray Serve, of which there is one replica. One that was killed serves again what stands.

    Args:
        standing: The actor that holds the plan.
        is_local: Whether all of the cluster is on this machine, so that nothing need be reached from another one.
    """

    async def __init__(self, standing: Any, *, is_local: bool = False) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        if is_local:
            _listen_here_alone()
        logging.getLogger("nercc_tune").handlers = logging.getLogger("ray.serve").handlers  # to the replica's log
        self._standing = standing
        self._metrics = ServiceMetrics()
        self._entrance = Entrance(current=self._serving, note=self._metrics.note)
        self._number = -1
        self._current: _Current | None = None
        self._switching = asyncio.Lock()
        await self.switch()
        self._refreshing = asyncio.ensure_future(self._refresh())

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        return await self._entrance.answer(request)

    async def switch(self) -> int:
        """Serve the plan that stands, if it is another one, and return its number once the old one's queries are done.

        From one query to the next the new engine takes them; those that the old one took, it answers.
        """
        async with self._switching:
            number: int
            number, packed = await self._standing.get.remote()
            if number == self._number:
                return number
            before, self._current = self._current, _open(Plan.unpack(packed))
            self._number = number
            if before is not None:
                await before.engine.close(before.plan.drain_s)
            return number

    def _serving(self) -> Serving:
        if self._current is None:
            raise RuntimeError("nothing is served yet")
        return self._current.serving

    async def _refresh(self) -> None:
        while True:
            try:
                self._metrics.refresh(self._serving().engine.status)
            except Exception:  # noqa: BLE001 - answers go on without them
                _LOG.exception("the metrics could not be told")
            await asyncio.sleep(_REFRESH_S)


def _listen_here_alone() -> None:
    """Keep the port by which replicas call each other from other machines: what comes there is unpickled.

    Ray Serve opens it on all addresses after this replica was made, and has no setting for it.
    """
    replica: Any = importlib.import_module("ray.serve._private.replica")
    add_port = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: add_port(server, address.replace("[::]", "127.0.0.1"))


def _open(plan: Plan) -> _Current:
    engine = Engine(
        plan.scheme,
        plan.codec,
        RayWorkers(plan.workers),
        timeout_s=plan.timeout_s,
        limit=plan.limit,
        query_shape=plan.reader.query_shape,
    )
    return _Current(plan=plan, engine=engine, serving=Serving(engine=engine, reader=plan.reader, about=plan.about))
