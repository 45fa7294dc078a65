from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import optuna
import pytest

from nercc_tune.export.table import TunedTable
from nercc_tune.launch.crews.processes import Place, _hearing_ctrl_c_later, places
from nercc_tune.records import StudyHistory
from nercc_tune.tuning.ledger import ledger_name
from tests.faults.conftest import Operate
from tests.faults.operation import Operation, finished, workers_of
from tests.faults.tracked import Tracked

TRIALS = 10
_PATIENCE_S = 600.0
_END_S = 45.0
"""A worker that does not end in peace is ended after 30 s."""

# Fails in search workers only, and only on so many queries as are coded at once: the checks of a model ask 4, or 64.
_FAILING = """
import multiprocessing
import zero_cost

class Failing(zero_cost.Lazy):
    def forward(self, queries):
        if multiprocessing.parent_process() is not None and 10 <= len(queries) < 64:
            raise RuntimeError("the layers\\n do not fit")
        return super().forward(queries)

def build():
    model = Failing().eval()
    model.load_state_dict(zero_cost.build().state_dict())
    return model
"""


def _put(patch: pytest.MonkeyPatch, *, gpus: int, cores: int = 8) -> None:
    patch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    patch.setattr("torch.cuda.device_count", lambda: gpus)
    patch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))


@pytest.mark.parametrize(("workers", "threads"), [(1, 8), (3, 2), (8, 1), (20, 1)])
def test_the_threads_of_the_cpu_are_divided(workers: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(monkeypatch, gpus=0)
    assert places("auto", workers) == workers * [Place(device=None, threads=threads)]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_gpus_are_given_in_turn(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(monkeypatch, gpus=2)
    assert [place.device for place in places(device, 5)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "mps"])
def test_a_device_that_the_study_names_is_the_one_of_all(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(monkeypatch, gpus=2)
    assert {place.device for place in places(device, 4)} == {None}


def test_ctrl_c_waits_until_a_worker_has_been_started() -> None:
    done: list[str] = []

    def start() -> None:
        with _hearing_ctrl_c_later():
            signal.raise_signal(signal.SIGINT)
            done.append("told all it needs")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert done == ["told all it needs"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # heard at once again


def _pairs(history: StudyHistory) -> list[tuple[float, float, float]]:
    entries = TunedTable.from_history(history).entries
    return [(entry.lambda_enc, entry.lambda_dec, entry.heldout.mse.mean) for entry in entries]


def _wait(is_so: Callable[[], bool], *, what: str, seconds: float = _PATIENCE_S) -> None:
    latest = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < latest, what
        time.sleep(0.05)


def _is_gone(group: int) -> bool:
    """Whether no process of a process group is left: neither workers nor what they were forked from."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _running_leases(study: Operation) -> int:
    with study.opened() as storage:
        trials = optuna.load_study(study_name=ledger_name("faulty"), storage=storage).trials
    return sum(trial.state is optuna.trial.TrialState.RUNNING for trial in trials)


@pytest.mark.slow
def test_two_workers_find_what_one_finds(operate: Operate) -> None:
    """With the sampler `random` a proposal depends on its number alone, whoever evaluates it."""
    alone, together = operate("alone", trials=TRIALS), operate("together", trials=TRIALS)
    finished(alone.launch(workers=1))
    shown = finished(together.launch(workers=2))
    assert "searching with 2 workers" in shown
    assert f"{TRIALS + 2}/{TRIALS + 2} proposals" in shown
    assert "died" not in shown
    assert _pairs(together.check()) == _pairs(alone.check())
    passes = {entry.forwards for entry in TunedTable.from_history(together.history()).entries}
    assert passes == {entry.forwards for entry in TunedTable.from_history(alone.history()).entries}


def _interrupt(launch: subprocess.Popen[str]) -> str:
    """Press Ctrl-C: the signal goes to all processes of the terminal's group."""
    os.killpg(launch.pid, signal.SIGINT)
    shown, _ = launch.communicate(timeout=_PATIENCE_S)
    assert launch.returncode == 130, shown
    assert shown.rstrip().endswith("interrupted; the same command goes on from here"), shown
    assert "Traceback" not in shown
    _wait(lambda: _is_gone(launch.pid), what="a process outlived the launch", seconds=_END_S)
    return shown


@pytest.mark.slow
def test_ctrl_c_ends_all_and_the_same_command_goes_on(operate: Operate) -> None:
    """First while the workers begin, then in the middle of the search; in the end the study is whole.

    A worker that is stopped between the two steps in which a cell gets a trial leaves it running; the last launch
    fails it.
    """
    study = operate(trials=TRIALS, seconds=3.0)  # so that it is in the middle for long
    launch = study.launch(workers=2)
    _wait(lambda: bool(workers_of(launch)), what="no worker began")
    _interrupt(launch)
    assert _running_leases(study) == 0
    launch = study.launch(workers=2)
    _wait(lambda: study.done >= 3, what="no proposal was done")
    workers = workers_of(launch)
    assert len(workers) == 2
    _interrupt(launch)
    assert _running_leases(study) == 0
    assert 3 <= study.done < study.budget
    study.seconds = 0.1
    finished(study.launch(workers=2))
    Tracked.of(study.home.tracking_url).check(study.check())


@pytest.mark.slow
def test_a_launch_is_alone(operate: Operate) -> None:
    study = operate(trials=30 * TRIALS, seconds=0.5)
    launch = study.launch(workers=2)
    _wait(lambda: study.done >= 1, what="no proposal was done")
    second, sync = study.launch(), study.start("sync", "faulty")
    refused, _ = second.communicate(timeout=_PATIENCE_S)
    assert second.returncode == 2
    assert refused.splitlines()[-1].startswith(f"error: study `faulty` is being launched by process {launch.pid} on ")
    untracked, _ = sync.communicate(timeout=_PATIENCE_S)
    assert sync.returncode == 2
    assert untracked.startswith(f"error: study `faulty` is being launched by process {launch.pid} on ")
    assert launch.poll() is None
    _interrupt(launch)


@pytest.mark.slow
def test_an_error_of_a_worker_ends_the_launch(operate: Operate) -> None:
    study = operate(trials=TRIALS)
    (study.folder / "failing.py").write_text(_FAILING, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study.folder)  # from where `python -m` imports
        launch = study.launch("--set", "workload.model=failing:build", workers=2)
    shown, _ = launch.communicate(timeout=_PATIENCE_S)
    assert launch.returncode == 2, shown
    assert "error: a search worker failed on RuntimeError: the layers do not fit" in shown.splitlines()
    _wait(lambda: _is_gone(launch.pid), what="a process outlived the launch", seconds=_END_S)
    assert _running_leases(study) == 0


@pytest.mark.slow
def test_workers_end_with_the_launch_that_is_killed(operate: Operate) -> None:
    study = operate(trials=TRIALS, seconds=0.5)
    launch = study.launch(workers=2)
    _wait(lambda: study.done >= 1, what="no proposal was done")
    os.kill(launch.pid, signal.SIGKILL)
    launch.communicate()
    _wait(lambda: _is_gone(launch.pid), what="a worker outlived its launch", seconds=_END_S)
    with study.opened() as storage:
        leases = optuna.load_study(study_name=ledger_name("faulty"), storage=storage).trials
    running = [lease for lease in leases if lease.state is optuna.trial.TrialState.RUNNING]
    assert {lease.user_attrs.get("nercc_tune.role") for lease in running} <= {"launch"}  # workers gave theirs back
