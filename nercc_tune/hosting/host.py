"""A service on a Ray cluster, as who started it holds it."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from nercc_tune.dashboard.service import check_free
from nercc_tune.errors import ServiceError
from nercc_tune.hosting.front_door import FrontDoor
from nercc_tune.hosting.plan import Offer, Plan
from nercc_tune.hosting.settings import HostSettings
from nercc_tune.hosting.standing import Standing
from nercc_tune.launch.crews.ray_cluster import connected
from nercc_tune.service.ray_workers import NAMESPACE, StartedWorkers, start_workers
from nercc_tune.text.one_line import one_line

__all__ = ["Host", "hosting"]

APP = "nercc-tune"
_NOTIFY = Callable[[str], None]
_LOCAL_CPUS = 4  # of a new cluster, whose workers reserve none: as many processes are started at a time
_REQUEST_SPARE_S = 10.0
_ANSWER_S = 60.0
_QUIET = {"encoding": "TEXT", "log_level": "WARNING", "enable_access_log": False}
_LOCAL = {
    "RAY_worker_niceness": "0",  # Ray would let every other program of the machine go first
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",  # the front's loop takes the requests, a thread's turn less
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # While the workers start, the machine is so busy that Ray Serve would take its entrance for dead.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}
"""The environment of the processes of a new cluster, where the user has not set it."""


class Host:
    """A running service. It is made by `hosting`.

    Attributes:
        url: Of its entrance.
    """

    def __init__(self, ray: Any, settings: HostSettings, *, notify: _NOTIFY) -> None:
        self.url = settings.url
        self._ray = ray
        self._settings = settings
        self._notify = notify
        self._prefix = f"worker-{secrets.token_hex(4)}"
        self._number = 0
        self._plan = b""
        self._workers: StartedWorkers | None = None
        self._standing: Any = None
        self._front: Any = None
        self._is_begun = False

    def start(self, offer: Offer) -> None:
        """Start Ray Serve, then the workers, and the front while they load the model.

        Raises:
            ServiceError: If something of it cannot be started.
        """
        serve: Any = importlib.import_module("ray.serve")  # late: it reads the environment that `hosting` sets
        logging.getLogger("ray.serve").setLevel(logging.CRITICAL)
        settings = self._settings
        http = {
            "host": settings.host,
            "port": settings.port,
            "request_timeout_s": settings.timeout_s + _REQUEST_SPARE_S,
        }
        self._notify("starting Ray Serve")
        self._is_begun = True
        with _told("the entrance"):
            serve.start(proxy_location="HeadOnly", http_options=http, logging_config=_QUIET)
        self._notify(f"starting {len(offer.networks)} workers")
        self._workers = workers = self._begin(offer)
        kind = self._ray.remote(Standing)
        self._standing = kind.options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote(self._number, self._plan)
        with _told("the front"):
            self._front = serve.run(
                self._deployment(serve).bind(self._standing, is_local=settings.is_local),
                name=APP,
                route_prefix="/",
                logging_config=_QUIET,
            )
        workers.wait(settings.ready_s)

    def replace(self, offer: Offer) -> None:
        """Serve something else from one query to the next; no query is lost.

        Its workers are started beside the old ones, which end when they have answered what they were asked.

        Raises:
            ServiceError: If its workers cannot be started; the old code then goes on.
        """
        before, plan = self._workers, self._plan
        self._number += 1
        started = self._begin(offer)
        try:
            started.wait(self._settings.ready_s)
        except ServiceError:
            started.end()
            self._plan = plan
            raise
        self._workers = started
        self._hand_over()
        if before is not None:
            before.end()

    def check(self) -> None:
        """Refuse to go on where nothing can be served any more.

        Raises:
            ServiceError: If it is so.
        """
        serve: Any = importlib.import_module("ray.serve")
        with _told("the service"):
            found = serve.status().applications.get(APP)
            if found is None or found.status in ("DEPLOY_FAILED", "DELETING", "NOT_STARTED"):
                reason = "it was deleted" if found is None else one_line(found.message or found.status)
                raise ServiceError(f"the service has ended ({reason}); start it again.")
            if self._ray.get(self._standing.number.remote(), timeout=_ANSWER_S) != self._number:
                self._hand_over()  # whoever holds the plan was killed, and began anew with its first one

    def stop(self) -> None:
        """Take no more queries, answer those that wait, and end all that was started."""
        serve: Any = importlib.import_module("ray.serve")
        with ExitStack() as stack:
            stack.callback(self._end_actors)
            with suppress(self._ray.exceptions.RayError, RuntimeError, TimeoutError):
                if self._is_begun:
                    self._is_begun = False
                    serve.delete(APP)  # waits for what is being answered
                    serve.shutdown()

    def _deployment(self, serve: Any) -> Any:
        settings = self._settings
        return serve.deployment(
            FrontDoor,
            name="front",
            num_replicas=1,
            ray_actor_options={"num_cpus": 0},
            max_ongoing_requests=2 * settings.limit,  # the engine refuses sooner
            max_queued_requests=settings.limit,  # while there is no front
            health_check_period_s=1,
            health_check_timeout_s=30,
            graceful_shutdown_wait_loop_s=0.2,
            graceful_shutdown_timeout_s=settings.drain_s,
        )

    def _begin(self, offer: Offer) -> StartedWorkers:
        settings = self._settings
        if settings.limit < offer.scheme.queries:
            raise ServiceError(f"`limit` must be at least a group of {offer.scheme.queries}, but got {settings.limit}.")
        workers = start_workers(
            offer.networks,
            prefix=f"{self._prefix}-{self._number}",
            placement=settings.placement,
            slowness=settings.slowness,
        )
        self._plan = Plan(
            scheme=offer.scheme,
            codec=offer.codec,
            reader=offer.reader,
            about=offer.about,
            workers=workers.names,
            timeout_s=settings.timeout_s,
            limit=settings.limit,
            drain_s=settings.drain_s,
        ).pack()
        return workers

    def _hand_over(self) -> None:
        with _told("the front"):
            self._ray.get(self._standing.put.remote(self._number, self._plan), timeout=_ANSWER_S)
            served = self._front.switch.remote().result(timeout_s=self._settings.drain_s + _ANSWER_S)
        if served != self._number:
            raise ServiceError(f"the front serves code {served}, and not {self._number}; start the service again.")

    def _end_actors(self) -> None:
        if self._workers is not None:
            self._workers.end()
            self._workers = None
        if self._standing is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(self._standing)


@contextmanager
def hosting(offer: Offer, settings: HostSettings, *, notify: _NOTIFY = lambda _: None) -> Iterator[Host]:
    """Serve an offer within the block.

    Args:
        offer: What is served first.
        settings: Where and how.
        notify: Called with a line when a step begins that takes time.

    Raises:
        NerccTuneError: If the port is taken, the cluster cannot be reached, or something cannot be started.
    """
    check_free(settings.port, "the service")
    extras = {} if settings.metrics_port is None else {"_metrics_export_port": settings.metrics_port}
    with _environment(_LOCAL if settings.is_local else {}):
        notify("starting Ray" if settings.is_local else "connecting to Ray")
        with connected(settings.address, cpus=_LOCAL_CPUS, extras={"namespace": NAMESPACE, **extras}) as ray:
            _check_alone(ray)
            host = Host(ray, settings, notify=notify)
            try:
                host.start(offer)
                yield host
            finally:
                host.stop()


def _check_alone(ray: Any) -> None:
    """Refuse a cluster that serves already: Ray Serve has one entrance, whose address is fixed when it is started."""
    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return
    raise ServiceError("Ray Serve runs on this cluster already; use another one, or `--ray local`.")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what Ray raises into one line.

    Raises:
        ServiceError: If something is raised.
    """
    try:
        yield
    except ServiceError:
        raise
    except Exception as error:  # Ray Serve raises errors of many classes, most of them a page long
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ServiceError(f"{what} fails: {one_line(lines[-1] if lines else type(error).__name__)}") from error


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    """Add to the environment what the user has not set; processes of a new cluster inherit it."""
    added = [name for name in given if name not in os.environ]
    os.environ.update({name: given[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
