"""Servers, disks and clocks that fail while workers search."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from tests.faults.conftest import Operate
from tests.faults.operation import finished, workers_of
from tests.faults.tracked import Tracked
from tests.services.mlflow_server import MlflowServer
from tests.services.postgres import running_postgres

pytestmark = pytest.mark.slow

_AWAY_S = 20.0
"""A request is given up after 15 s."""


def test_mlflow_may_be_away_for_a_while(operate: Operate, mlflow_server: MlflowServer) -> None:
    """For longer than a request to it is waited for, and for most of the search."""
    mlflow_server.start()
    study = operate(trials=80, seconds=1.2, tracking=mlflow_server.url)
    launch = study.launch(workers=2)
    _wait_for(lambda: study.done >= 5, launch)
    mlflow_server.stop()
    before, back = study.done, time.monotonic() + _AWAY_S
    _wait_for(lambda: study.done > before + 10 and time.monotonic() > back, launch)
    mlflow_server.start()
    shown = finished(launch)
    assert "sync" not in shown
    Tracked.of(mlflow_server.url).check(study.check())
    assert "added 0 runs" in study.run("sync", "faulty")


def test_postgresql_may_be_restarted_again_and_again(operate: Operate) -> None:
    with running_postgres() as server:
        study = operate(trials=30, seconds=0.5, storage=server.new_database())
        launch = study.launch(workers=4)
        for done, away_s in ((4, 0.0), (7, 0.0), (10, 0.0), (13, 0.0), (16, 3.0)):
            _wait_for(lambda done=done: study.done >= done, launch)  # type: ignore[misc]  # mypy infers no lambda defaults
            server.stop(is_immediate=True)
            time.sleep(away_s)
            server.start()
        shown = finished(launch)
        assert "the storage is back" in shown
        history = study.check()
        study.run("sync", "faulty")
        Tracked.of(study.home.tracking_url).check(history)


def test_postgresql_that_stays_away_ends_the_launch_with_one_line(operate: Operate) -> None:
    with running_postgres() as server:
        study = operate(trials=30, seconds=0.5, storage=server.new_database())
        launch = study.launch("--set", "storage.retry_s=3", workers=2)
        _wait_for(lambda: study.done >= 5, launch)
        server.stop(is_immediate=True)
        shown, _ = launch.communicate(timeout=300)
        assert launch.returncode == 2, shown
        assert "Traceback" not in shown
        assert "failed for 3 s" in shown.splitlines()[-1]
        assert str(sqlalchemy.make_url(study.storage or "").password) not in shown
        server.start()
        finished(study.launch(workers=2))
        study.check()


def test_a_full_disk_stops_the_study_and_costs_nothing(operate: Operate) -> None:
    study = operate(trials=20, seconds=0.2)
    with _small_disk(study.home.root, megabytes=48) as disk:
        launch = study.launch("--set", "storage.retry_s=3", workers=2)
        _wait_for(lambda: study.done >= 5, launch)
        filling = disk / "filling"
        _fill(filling)
        shown, _ = launch.communicate(timeout=300)
        assert launch.returncode == 2, shown
        assert "Traceback" not in shown
        assert not list(disk.glob("**/*.partial"))
        filling.unlink()
        finished(study.launch(workers=2))
        Tracked.of(study.home.tracking_url).check(study.check())


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_set_wrong_costs_nothing(hours: int, operate: Operate) -> None:
    """Seen from the storage: all heartbeats are hours old, or lie hours ahead."""
    study = operate(trials=30, seconds=0.4)
    launch = study.launch(workers=4)
    _wait_for(lambda: study.done >= 8, launch)
    os.kill(workers_of(launch)[0], signal.SIGKILL)
    with study.opened() as storage, storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, :shift)"),
            {"shift": f"{hours:+d} hours"},
        )
    finished(launch)
    Tracked.of(study.home.tracking_url).check(study.check())


def test_a_worker_that_sleeps_beyond_its_heartbeat_writes_nothing_twice(operate: Operate) -> None:
    """It is stopped, its proposals are given to others, and it goes on with what it believes to be its own."""
    study = operate(trials=48, seconds=1.0, heartbeat_s=1, grace_s=3)
    launch = study.launch(workers=4)
    _wait_for(lambda: study.done >= 5, launch)
    for _ in range(3):
        _wait_for(lambda: len(workers_of(launch)) > 1, launch)
        sleeper = workers_of(launch)[-1]
        os.kill(sleeper, signal.SIGSTOP)
        time.sleep(5)
        os.kill(sleeper, signal.SIGCONT)
        time.sleep(1)
    finished(launch)
    Tracked.of(study.home.tracking_url).check(study.check())


def _wait_for(condition: Callable[[], bool], launch: subprocess.Popen[str], *, timeout_s: float = 300) -> None:
    latest = time.monotonic() + timeout_s
    while not condition():
        assert launch.poll() is None, launch.communicate()[0]
        assert time.monotonic() < latest, "it took too long"
        time.sleep(0.2)


@contextmanager
def _small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a disk of some megabytes."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:  # noqa: S603
        pytest.skip("this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**16))
        except OSError:
            return
