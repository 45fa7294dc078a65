"""A crew of actors on a Ray cluster."""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nercc_tune.errors import CrewError, NerccTuneError
from nercc_tune.home import Home
from nercc_tune.launch.crews.crew import FalseStarts, to_error
from nercc_tune.launch.crews.ray_cluster import check_hosts, connected
from nercc_tune.launch.events import WorkerEvents
from nercc_tune.launch.worker import Job, work
from nercc_tune.text.one_line import one_line
from nercc_tune.text.redaction import without_password

_STOP_S = 20.0
_ANSWER_S = 5.0
_NO_ROOM_AFTER_S = 30.0
_CALLS_AT_ONCE = 3  # the search, the wait until it is ready, and the request to stop


@dataclass(kw_only=True, eq=False)
class _Worker:
    """An actor, and what it was asked; the last three are Ray's references to answers."""

    actor: Any
    began: float
    placed: Any
    ready: Any
    ended: Any
    is_ready: bool = False


class RayCrew:
    """Search workers as actors on a Ray cluster, each with the study's `num_cpus` and `num_gpus`.

    An actor whose process or node died is replaced by a new one, which waits for room where there is none. The cluster
    is the study's `ray`: the address of its head, `auto` for the one that this machine belongs to, or `local` for a new
    one that only this machine reaches and that ends with the crew. A cluster that was there is left as it is.

    Every node has the package installed, and uses the path of the home, and of weights and data in it, as it is: the
    home may be shared by the nodes or differ between them, but weights and data must be found there, and a study's own
    Python code in the PYTHONPATH of each node. Worker outputs of one node serve the others only through `cache.url`,
    and SQLite serves nodes of one host only. Ray shows the command line of a launch to all who see the cluster, so the
    password of a storage does not belong there, but into the environment or a study file.
    """

    def __init__(self, job: Job, *, notify: Callable[[str], None] = lambda _: None) -> None:
        self._job = _placed(job)
        self._resources = job.spec.resources
        self._notify = notify
        self._workers: list[_Worker] = []
        self._false_starts = FalseStarts(notify)
        self._has_told_of_room = False
        self._connection = ExitStack()
        self._ray: Any = None

    def start(self) -> None:
        """Connect to the cluster, and start the workers.

        Raises:
            CrewError: If Ray is not installed, or the cluster cannot be reached.
            StorageError: If the cluster spans hosts that cannot share the study's storage.
        """
        resources = self._resources
        with ExitStack() as stack:
            cpus = math.ceil(resources.workers * resources.num_cpus)
            self._ray = stack.enter_context(connected(resources.ray or "auto", cpus=cpus))
            check_hosts({node["NodeManagerHostname"] for node in self._ray.nodes() if node["Alive"]}, self._job.storage)
            self._workers = [self._begin() for _ in range(resources.workers)]
            self._connection = stack.pop_all()

    def tend(self) -> None:
        """Replace the workers that died, and let those go on that ended; see `Crew`."""
        answers = [ref for worker in self._workers for ref in (worker.placed, worker.ready, worker.ended)]
        there = set(self._ray.wait(answers, num_returns=len(answers), timeout=0)[0])
        for index, worker in enumerate(self._workers):
            if worker.ready in there and not worker.is_ready:
                self._see_ready(worker)
            if worker.ended in there:
                self._workers[index] = self._follow(worker)
            elif worker.placed not in there:
                self._tell_of_room(worker)

    def stop(self) -> None:
        """End all workers, whose proposals are given back, and a cluster that was started for them."""
        with self._connection:
            if self._workers:
                self._stop_workers()
            self._workers = []

    def _begin(self) -> _Worker:
        kind = self._ray.remote(_make_actor_class()).options(
            num_cpus=self._resources.num_cpus,
            num_gpus=self._resources.num_gpus,
            max_concurrency=_CALLS_AT_ONCE,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        actor = kind.remote(str(Path.cwd()))
        return _Worker(
            actor=actor,
            began=time.monotonic(),
            placed=actor.is_placed.remote(),
            ready=actor.wait_until_ready.remote(),
            ended=actor.run.remote(self._job),
        )

    def _see_ready(self, worker: _Worker) -> None:
        with suppress(self._ray.exceptions.RayError):  # it died, which the end of its work tells, too
            self._ray.get(worker.ready, timeout=_ANSWER_S)
            worker.is_ready = True
            self._false_starts.see_ready()

    def _follow(self, worker: _Worker) -> _Worker:
        """Return what takes the place of a worker whose work ended."""
        try:
            reported = self._ray.get(worker.ended, timeout=_ANSWER_S)
        except self._ray.exceptions.GetTimeoutError:
            return worker
        except self._ray.exceptions.RayError as error:
            self._see_death(error, worker)
            return self._begin()
        if reported is not None:
            raise to_error(*reported)
        return replace(worker, ended=worker.actor.run.remote(self._job))

    def _see_death(self, error: Exception, worker: _Worker) -> None:
        cause = getattr(error, "cause", None)
        if isinstance(cause, ImportError):
            raise CrewError(
                f"a node of the Ray cluster cannot load nercc-tune ({one_line(cause)}); "
                "install the same version on every node."
            ) from error
        self._kill(worker)
        self._false_starts.see_death(self._describe(error), was_ready=worker.is_ready)

    def _describe(self, error: Exception) -> str:
        if isinstance(error, self._ray.exceptions.RayTaskError):
            return one_line(getattr(error, "cause", None) or error)
        if isinstance(error, self._ray.exceptions.ActorUnavailableError) or "node has died" in str(error):
            return "its node is gone"
        return "Ray stopped it for want of memory" if "low on memory" in str(error) else "its process ended"

    def _tell_of_room(self, worker: _Worker) -> None:
        if self._has_told_of_room or time.monotonic() - worker.began < _NO_ROOM_AFTER_S:
            return
        self._has_told_of_room = True
        cpus, gpus = self._resources.num_cpus, self._resources.num_gpus
        self._notify(
            f"the cluster has no room for all {self._resources.workers} workers of {cpus:g} CPUs and {gpus:g} GPUs; "
            "those that lack a place wait for it"
        )

    def _stop_workers(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            placed, _ = self._ray.wait(
                [worker.placed for worker in self._workers], num_returns=len(self._workers), timeout=0
            )
            running = [worker for worker in self._workers if worker.placed in placed]
            for worker in running:
                worker.actor.stop.remote()
            if running:
                self._ray.wait([worker.ended for worker in running], num_returns=len(running), timeout=_STOP_S)
        for worker in self._workers:
            self._kill(worker)

    def _kill(self, worker: _Worker) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(worker.actor)


def run_job(job: Job, ready: Callable[[], None]) -> tuple[str, str] | None:
    """Work in an actor; return the class and the text of the error that another worker would meet, too.

    Raises:
        RuntimeError: If the work failed otherwise; Ray logs and shows it, so it holds no password.
    """
    try:
        work(job, WorkerEvents(ready=ready))
    except NerccTuneError as error:
        return type(error).__name__, str(error)
    except Exception as error:  # noqa: BLE001 - of torch, a driver, a user's model: each may quote the URL
        text = without_password(f"{type(error).__name__}: {error}", job.storage)
        raise RuntimeError(one_line(text)) from None
    return None


def _make_actor_class() -> type:
    """Return the class of the actors.

    It travels by value, being local, and names nothing of the package before `run`: an actor can say that it is placed
    before torch is imported, and a node without the package says so.
    """

    class SearchWorker:
        def __init__(self, folder: str) -> None:
            with suppress(OSError):  # another host may have no such folder
                os.chdir(folder)
            self._ready = threading.Event()
            self._lock = threading.Lock()
            self._thread: int | None = None
            self._is_stopped = False

        def is_placed(self) -> bool:
            return True

        def wait_until_ready(self) -> None:
            self._ready.wait()

        def run(self, job: Job) -> object:
            try:
                with self._lock:
                    if self._is_stopped:
                        return None
                    self._thread = threading.get_ident()
                return importlib.import_module("nercc_tune.launch.crews.ray").run_job(job, self._ready.set)
            except KeyboardInterrupt:
                return None
            finally:
                with self._lock:
                    self._thread = None

        def stop(self) -> None:
            with self._lock:
                self._is_stopped = True
                if self._thread is not None:
                    thread = ctypes.c_ulong(self._thread)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(KeyboardInterrupt))

    return SearchWorker


def _placed(job: Job) -> Job:
    """Return the job of an actor, which sees no other GPUs than those that Ray gave it, or shall use none."""
    resources, device = job.spec.resources, job.spec.workload.device
    chosen = None
    if resources.num_gpus > 0 and device.startswith("cuda"):
        chosen = "cuda"
    elif resources.num_gpus == 0 and device == "auto":
        chosen = "cpu"
    home = Home(job.home.root.absolute(), job.home.data_dir and job.home.data_dir.absolute())
    return replace(job, home=home).at(chosen, max(1, int(resources.num_cpus)))
