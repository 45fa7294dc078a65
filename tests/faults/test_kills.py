"""Workers and launches killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from nercc_tune.export.table import TunedTable
from nercc_tune.records import StudyHistory
from tests.faults.conftest import Operate
from tests.faults.operation import Operation, finished, workers_of
from tests.faults.tracked import Tracked
from tests.services.postgres import Postgres

_TRIALS = 58  # and two given ones
_KILLS = 100
_LOOKED_AT_EVERY = 5
_AHEAD_AT_MOST = 30  # kills; a launch gives up after 100 workers in a row that died before they were ready

pytestmark = pytest.mark.slow


def _kill_workers(study: Operation, launch: subprocess.Popen[str], *, kills: int, pause_s: float) -> int:
    """Kill random workers at random moments; return how many were killed before the launch ended.

    They are spread over the study's first half: the pauses are shortened while the study is ahead of the kills. While
    it is behind them nobody is killed, as on a machine on which a worker needs longer than it would live.
    """
    chance = random.Random(0)  # noqa: S311 - moments
    done, is_ahead = 0, False
    while done < kills and launch.poll() is None:
        if done % _LOOKED_AT_EVERY == 0:  # it takes seconds on a busy machine, in which nobody is killed
            due = kills * study.done / study.budget / 0.5
            is_ahead = done < due
            if done > due + _AHEAD_AT_MOST:
                time.sleep(pause_s)
                continue
        time.sleep(chance.uniform(0, 0.1 * pause_s if is_ahead else pause_s))
        workers = workers_of(launch)
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            done += 1
    return done


def _best(history: StudyHistory) -> list[tuple[float, float, float]]:
    entries = TunedTable.from_history(history).entries
    return [(entry.lambda_enc, entry.lambda_dec, entry.heldout.mse.mean) for entry in entries]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_hundred_killed_workers_cost_no_trial(kind: str, operate: Operate, postgres: Postgres) -> None:
    """With the sampler `random` a proposal depends on its number alone, so that the result is the undisturbed one."""
    storage = postgres.new_database() if kind == "postgresql" else None
    study, calm = operate(trials=_TRIALS, seconds=0.6, grace_s=4, storage=storage), operate("calm", trials=_TRIALS)
    launch, undisturbed = study.launch(workers=4), calm.launch()
    kills = _kill_workers(study, launch, kills=_KILLS, pause_s=0.6)
    finished(launch)
    finished(undisturbed)
    assert kills == _KILLS
    history = study.check()
    study.run("sync", "faulty")
    Tracked.of(study.home.tracking_url).check(history)
    assert _best(history) == _best(calm.check())


def test_a_launch_that_is_killed_again_and_again_ends_as_an_undisturbed_one(operate: Operate) -> None:
    """Its workers end with it; what it had begun in MLflow is completed by the next one, or closed by `sync`."""
    study: Operation = operate(trials=20, seconds=0.4)
    chance = random.Random(1)  # noqa: S311 - moments
    for _ in range(4):
        launch = study.launch(workers=2)
        while launch.poll() is None and not workers_of(launch):
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 4))
        workers = workers_of(launch)
        os.kill(launch.pid, signal.SIGKILL)
        launch.wait()
        _wait_for_the_end_of(workers)
    finished(study.launch(workers=2))
    history = study.check()
    Tracked.of(study.home.tracking_url).check(history)
    study.run("sync", "faulty")
    Tracked.of(study.home.tracking_url).check(history)


def _wait_for_the_end_of(pids: list[int], *, timeout_s: float = 45) -> None:
    """Wait for as long as a worker that does not end in peace is given."""
    latest = time.monotonic() + timeout_s
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):  # noqa: PTH110 - a process is no file
        assert time.monotonic() < latest, "a worker outlived its launch"
        time.sleep(0.05)


def test_a_study_killed_for_good_is_closed_by_sync(operate: Operate) -> None:
    study = operate(trials=20, seconds=0.3)
    launch = study.launch(workers=2)
    while launch.poll() is None and not (study.home.has_storage and study.done / study.budget > 0.2):
        time.sleep(0.2)
    os.kill(launch.pid, signal.SIGKILL)
    launch.wait()
    _wait_for_the_end_of(workers_of(launch))
    study.run("sync", "faulty")
    tracked = Tracked.of(study.home.tracking_url)
    tracked.check(study.history())
    assert tracked.states["KILLED"] > 0
