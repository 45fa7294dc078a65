"""Operates a study as a user does, with commands in processes of their own, and looks at what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from nercc_tune.home import Home
from nercc_tune.records import StudyHistory
from nercc_tune.tuning import open_existing, read_history

_STUDY = """
name = "faulty"
[workload]
model = "zero_cost:build"
data = "npz"
data_dir = "{queries}"
device = "cpu"
[code]
queries = 4
workers = 10
stragglers = {stragglers}
[search]
sampler = "random"
trials = {trials}
patience = 0
lambda_enc = {{ low = 1e-8, high = 1.0 }}
lambda_dec = {{ low = 1e-8, high = 1.0 }}
[evaluation]
replication = false
tuning_groups = 2
tuning_masks = 3
validation_groups = 1
validation_masks = 2
heldout_groups = 2
heldout_masks = 2
bootstrap = 100
[storage]
heartbeat_s = {heartbeat_s}
grace_s = {grace_s}
"""


@dataclass(kw_only=True)
class Operation:
    """A study in a folder.

    Attributes:
        seconds: How long the model sleeps in each forward pass.
        products: How many products of matrices it makes, each of some tenths of a millisecond.
        storage: URL of Optuna's storage; by default SQLite in the home.
        tracking: URL of MLflow's store; likewise.
        queries: How many there are to serve, and to train with.
        overrides: What of the study file is otherwise, such as `code.queries=2`.
    """

    folder: Path
    trials: int
    seconds: float = 0.0
    products: int = 0
    storage: str | None = None
    tracking: str | None = None
    stragglers: tuple[int, ...] = (2, 3)
    heartbeat_s: int = 1
    grace_s: int = 10
    queries: int = 64
    overrides: tuple[str, ...] = ()
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, size=(self.queries, 4, 4), dtype=np.uint8)
        np.savez(self.folder / "queries.npz", images=images, labels=generator.integers(0, 4, size=self.queries))
        self.file.write_text(
            _STUDY.format(
                queries=self.folder / "queries.npz",
                trials=self.trials,
                stragglers=list(self.stragglers),
                heartbeat_s=self.heartbeat_s,
                grace_s=self.grace_s,
            ),
            encoding="utf-8",
        )

    @property
    def file(self) -> Path:
        return self.folder / "study.toml"

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def epochs(self) -> Path:
        """A file with a line for each epoch that a network began, the process that trained it."""
        return self.folder / "epochs"

    @property
    def budget(self) -> int:
        """Proposals in all: those of the sampler, after (0, 0) and λ_enc = 0; or all trainings."""
        return self.trials + (0 if "code.kind=parity" in self.overrides else 2)

    @property
    def done(self) -> int:
        """How many proposals all cells have; none while the study is being made, or its storage is away."""
        try:
            return min(len(cell.trials) for cell in self.history().cells)
        except Exception:  # noqa: BLE001 - see above
            return 0

    def launch(self, *options: str, workers: int = 1) -> subprocess.Popen[str]:
        """Start `nercc-tune launch`, and return at once."""
        changed = [part for override in self.overrides for part in ("--set", override)]
        return self.start("launch", str(self.file), "--allow-code", "--workers", str(workers), *changed, *options)

    def join(self, *options: str) -> subprocess.Popen[str]:
        """Start `nercc-tune worker`, and return at once."""
        return self.start("worker", "faulty", "--allow-code", *options)

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "OMP_NUM_THREADS": "1",
            "NERCC_TEST_SECONDS": str(self.seconds),
            "NERCC_TEST_PRODUCTS": str(self.products),
            "NERCC_TEST_EPOCHS": str(self.epochs),
            "NERCC_TUNE_HOME": str(self.home.root),
            "COLUMNS": "200",
        }
        for name, url in (("NERCC_TUNE_STORAGE", self.storage), ("NERCC_TUNE_TRACKING", self.tracking)):
            environment.pop(name, None)
            if url is not None and not (command == "worker" and name == "NERCC_TUNE_TRACKING"):
                environment[name] = url
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "nercc_tune.cli", command, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, command: str, *arguments: str, timeout_s: float = 300) -> str:
        """Run a command to its end, which must be a good one, and return what it printed."""
        return finished(self.start(command, *arguments), timeout_s=timeout_s)

    def close(self) -> None:
        """End everything that was started and still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def history(self) -> StudyHistory:
        with self.opened() as storage:
            return read_history(storage, "faulty")

    def trials_by_state(self) -> list[Counter[str]]:
        """Return how many trials each cell has in each of Optuna's states."""
        with self.opened() as storage:
            return [
                Counter(trial.state.name for trial in optuna.load_study(study_name=name, storage=storage).trials)
                for name in (cell.cell.name for cell in read_history(storage, "faulty").cells)
            ]

    @contextmanager
    def opened(self) -> Iterator[RDBStorage]:
        """Open Optuna's storage for a moment."""
        storage = open_existing(self.storage or self.home.storage_url)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def check(self) -> StudyHistory:
        """Check that the study has exactly its budget, every finished trial once, and that nothing runs."""
        history = self.history()
        for cell, states in zip(history.cells, self.trials_by_state(), strict=True):
            assert sorted(trial.proposal for trial in cell.trials) == list(range(self.budget))
            assert states[TrialState.COMPLETE.name] == self.budget
            assert states[TrialState.RUNNING.name] == states[TrialState.WAITING.name] == 0
        return history


def finished(process: subprocess.Popen[str], *, timeout_s: float = 300) -> str:
    """Wait for the good end of a process, and return what it printed."""
    shown, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, shown
    return shown


def workers_of(launch: subprocess.Popen[str]) -> list[int]:
    """Return the process numbers of a launch's search workers: the children of its fork server."""
    servers = [pid for pid in _children(launch.pid) if b"forkserver" in _command(pid)]
    return [pid for server in servers for pid in _children(server)]


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, above = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(above) == parent and state != "Z":
                found.append(int(entry.name))
    return sorted(found)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
