"""A crew of processes on this host."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from types import FrameType

import torch

from nercc_tune.errors import NerccTuneError
from nercc_tune.launch.crews.crew import FalseStarts, report_of, to_error
from nercc_tune.launch.events import WorkerEvents
from nercc_tune.launch.interrupts import keep_interrupts
from nercc_tune.launch.worker import Job, work
from nercc_tune.text.redaction import without_password

_STOP_S = 30.0
# What a worker imports sooner or later, some of it only when it opens the storage.
_PRELOADED = (
    "nercc_tune.launch.worker",
    "optuna.storages._rdb.models",
    "alembic.command",
    "alembic.config",
    "alembic.migration",
    "alembic.script",
    "psycopg",
)
_READY = "ready"


@dataclass(kw_only=True, eq=False)
class _Worker:
    process: BaseProcess
    messages: Connection
    is_ready: bool = False
    error: NerccTuneError | None = None


class ProcessCrew:
    """Search workers as processes, among which the GPUs or the CPU threads of this host are divided.

    They are forked from a server that has imported everything and started nothing, so that the next one is there within
    a second, also with CUDA. A worker ends with the process that started it.
    """

    def __init__(self, job: Job, *, workers: int, notify: Callable[[str], None] = lambda _: None) -> None:
        self._job = job
        self._context = _context()
        self._places = places(job.spec.workload.device, workers)
        self._workers: list[_Worker] = []
        self._false_starts = FalseStarts(notify, workers=workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process numbers of the workers that run."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.pid and worker.process.is_alive())

    def start(self) -> None:
        """Start the workers."""
        for place in self._places:
            with _hearing_ctrl_c_later():  # one by one: `stop` ends those that an interrupt leaves
                self._workers.append(self._begin(place))

    def tend(self) -> None:
        """Replace the workers that died or ended; see `Crew`."""
        for index, worker in enumerate(self._workers):
            self._listen(worker)
            if worker.error is not None:
                raise worker.error
            code = worker.process.exitcode
            if code is None:
                continue
            if code != 0:
                self._false_starts.see_death(_describe(code), was_ready=worker.is_ready)
            self._end(worker)
            with _hearing_ctrl_c_later():
                self._workers[index] = self._begin(self._places[index])

    def stop(self) -> None:
        """End all workers, whose proposals are given back."""
        for worker in self._workers:
            worker.process.terminate()
        latest = time.monotonic() + _STOP_S
        for worker in self._workers:
            worker.process.join(max(0.0, latest - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            self._end(worker)
        self._workers = []

    def _begin(self, place: Place) -> _Worker:
        mine, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(  # type: ignore[attr-defined]  # contexts have it; the stubs of their base do not
            target=_run, args=(self._job.at(place.device, place.threads), theirs), name="nercc-tune-worker"
        )
        process.start()
        theirs.close()
        return _Worker(process=process, messages=mine)

    def _listen(self, worker: _Worker) -> None:
        try:
            while worker.messages.poll():
                message = worker.messages.recv_bytes().decode()
                if message == _READY:
                    worker.is_ready = True
                    self._false_starts.see_ready()
                else:
                    name, _, text = message.partition(" ")
                    worker.error = to_error(name, text)
        except EOFError:
            return

    def _end(self, worker: _Worker) -> None:
        worker.process.join()
        worker.process.close()
        worker.messages.close()


@dataclass(frozen=True, kw_only=True)
class Place:
    """What one worker may use.

    Attributes:
        device: None for the study's own.
        threads: CPU threads of torch.
    """

    device: str | None
    threads: int


def places(device: str, workers: int) -> list[Place]:
    """Divide a host among workers: whole GPUs in turn where the study runs on GPUs, and the CPU's threads evenly."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, cores // workers)
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") and torch.cuda.is_available() else 0
    return [Place(device=f"cuda:{index % gpus}" if gpus else None, threads=threads) for index in range(workers)]


def _context() -> BaseContext:
    if sys.platform != "linux":  # elsewhere a fork after importing torch is not safe
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    with _deaf_to_ctrl_c():  # which the server hears while it imports, as all in the terminal's group do
        ensure_running()
    return context


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start processes that ignore Ctrl-C from their first moment on; only the main thread may arrange that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _hearing_ctrl_c_later() -> Iterator[None]:
    """Let Ctrl-C wait until a process has been told all it needs: of a half it would make an error of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def _describe(code: int) -> str:
    """Say how a process ended, from its exit code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _run(job: Job, messages: Connection) -> None:
    """Be a worker process: Ctrl-C is the launch's to handle, which ends its workers by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        keep_interrupts()
        signal.signal(signal.SIGTERM, _interrupt)
        threading.Thread(target=_follow_parent, name="nercc-tune-parent", daemon=True).start()
        work(job, WorkerEvents(ready=lambda: messages.send_bytes(_READY.encode())))
    except KeyboardInterrupt:
        return
    except Exception as error:
        if _is_interrupted():  # in the middle of what makes another error of it
            return
        with suppress(OSError):  # the launch is gone, and nobody listens
            messages.send_bytes(without_password(report_of(error), job.storage).encode())
        if not isinstance(error, NerccTuneError):
            raise
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # in a process that ends it would make a traceback


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once; what it interrupts shall end in peace
    raise KeyboardInterrupt


def _is_interrupted() -> bool:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def _follow_parent() -> None:
    """End this process when the one that launched it is gone, in peace if that succeeds."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_S)
        os.kill(os.getpid(), signal.SIGKILL)
