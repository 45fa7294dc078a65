from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.tracking import silent
from nercc_tune.tracking.silent import MlflowException
from nercc_tune.tracking.store import _create_database, translated
from tests.tracking.conftest import Store


def test_a_new_database_is_complete_and_alone(migrated: Path) -> None:
    assert {file.name for file in migrated.parent.iterdir()} <= {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"}
    with closing(sqlite3.connect(migrated)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_copy_of_the_one_file_is_complete_after_the_end(store: Store) -> None:
    projection = store.projection()
    log = store.file.with_name("mlflow.db-wal")
    projection.close(status="FINISHED")
    assert not log.exists() or log.stat().st_size == 0


def test_a_database_that_another_process_made_first_is_kept(migrated: Path, tmp_path: Path) -> None:
    """The migrations of this process end after the file appeared, as when two studies are launched at once."""
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated, path)
    before = path.read_bytes()
    _create_database(path, tmp_path / "mlartifacts")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_what_mlflow_raises_becomes_one_line() -> None:
    with (
        pytest.raises(
            TrackingError, match=r"^the tracking store `http://a:\*\*\*@b` failed \(no such run\); check that"
        ),
        translated("http://a:secret@b"),
    ):
        raise MlflowException("no such\n run")


def test_the_environment_is_left_alone() -> None:
    assert os.environ.get("MLFLOW_DISABLE_TELEMETRY") == silent._before


@pytest.mark.skipif("MLFLOW_LOGGING_LEVEL" in os.environ, reason="the level that the user asked for stands")
def test_the_loggers_are_silent() -> None:
    assert logging.getLogger("mlflow").level == logging.CRITICAL
