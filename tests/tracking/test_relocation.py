"""A home that was moved or copied is a home of its own."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home
from nercc_tune.tracking.deployment.promotion import promote, read_deployments
from nercc_tune.tracking.relocation import relocate
from nercc_tune.tracking.silent import MlflowClient
from nercc_tune.tracking.store import fold_log, open_client
from nercc_tune.tuning import closing_storage, open_existing, read_history
from tests.fakes import finished_home


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".db-shm"  # the index of the log, which readers write too
    }


def _values(database: Path) -> list[str]:
    """Return every value of every table as text."""
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in tables for row in connection.execute(f'SELECT * FROM "{name}"')]  # noqa: S608 - its own
    return [str(value) for row in rows for value in row]


def _table(home: Home) -> TunedTable:
    with closing_storage(open_existing(home.storage_url)) as storage:
        return TunedTable.from_history(read_history(storage, "tiny"))


def _artifacts(home: Home) -> list[str]:
    client = open_client(home.tracking_url, home.artifacts)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return sorted(item.path for run in runs for item in client.list_artifacts(run.info.run_id))


def _load(home: Home, name: str) -> list[str]:
    """Return the files of the champion, found where the store says."""
    version = MlflowClient(home.tracking_url, home.tracking_url).get_model_version_by_alias(name, "champion")
    source = Path(unquote(urlsplit(str(version.source)).path))
    assert home.root in source.parents
    return sorted(path.name for path in source.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    """Return a home with a study and its champion."""
    home = finished_home(tmp_path_factory.mktemp("made") / "home")
    deployment = promote(_table(home), url=home.tracking_url, artifacts=home.artifacts, force=True)
    fold_log(home.tracking_url)
    return home, deployment.now.name


@pytest.mark.slow
def test_a_moved_home_is_whole_where_it_stands(made: tuple[Home, str], tmp_path: Path) -> None:
    original, name = made
    listed = _artifacts(original)
    (tmp_path / "first").mkdir()
    shutil.copytree(original.root, tmp_path / "first" / "home")
    first = Home(tmp_path / "first" / "home")
    assert _artifacts(first) == listed  # now it says where it is
    moved = Home(first.root.rename(tmp_path / "moved %20 home?"))
    assert _artifacts(moved) == listed
    assert len(listed) > 0
    assert "MLmodel" in _load(moved, name)
    promote(_table(moved), url=moved.tracking_url, artifacts=moved.artifacts, force=True)
    assert list((tmp_path / "first").iterdir()) == []
    for database in moved.root.glob("*.db"):
        assert [value for value in _values(database) if str(first.root) in value] == []


@pytest.mark.slow
def test_a_copy_leaves_the_original_alone(made: tuple[Home, str], tmp_path: Path) -> None:
    original, name = made
    before = _files(original.root)
    shutil.copytree(original.root, tmp_path / "copy")
    copy = Home(tmp_path / "copy")
    table = _table(copy)
    promote(table, url=copy.tracking_url, artifacts=copy.artifacts, stragglers=table.entries[0].stragglers, force=True)
    assert read_deployments(copy.tracking_url, name).champion != read_deployments(original.tracking_url, name).champion
    assert "MLmodel" in _load(copy, name)
    fold_log(original.tracking_url)
    assert _files(original.root) == before


def _store(path: Path, root: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, artifact_location TEXT)")
        connection.execute("INSERT INTO experiments VALUES (0, ?), (1, ?)", (f"{root}/0", f"{root}/x"))
        connection.commit()
    return path


def _locations(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [value for (value,) in connection.execute("SELECT artifact_location FROM experiments")]


def test_locations_of_a_store_that_was_moved_are_rewritten(tmp_path: Path) -> None:
    path = _store(tmp_path / "new home" / "mlflow.db", f"file://{tmp_path}/old%20home/mlartifacts")
    relocate(path)
    here = (tmp_path / "new home" / "mlartifacts").as_uri()
    assert _locations(path) == [f"{here}/0", f"{here}/x"]


def test_the_former_name_need_not_be_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where files have names in ASCII only, and the home was made elsewhere."""
    path = _store(tmp_path / "mlflow.db", "file:///caf%C3%A9/mlartifacts")
    monkeypatch.setattr("os.fsencode", lambda name: str(name).encode("ascii"))
    relocate(path)
    assert _locations(path) == [f"file://{tmp_path}/mlartifacts/0", f"file://{tmp_path}/mlartifacts/x"]


@pytest.mark.parametrize("root", ["mlflow-artifacts:", "s3://bucket/mlartifacts", "mlruns", "file:///there/mlruns"])
def test_locations_that_are_not_of_a_home_stay(root: str, tmp_path: Path) -> None:
    path = _store(tmp_path / "mlflow.db", root)
    relocate(path)
    assert _locations(path) == [f"{root}/0", f"{root}/x"]


def test_artifacts_that_lie_elsewhere_on_purpose_stay(tmp_path: Path) -> None:
    (tmp_path / "home" / "mlartifacts").mkdir(parents=True)
    path = _store(tmp_path / "mlflow.db", (tmp_path / "home" / "mlartifacts").as_uri())
    before = _locations(path)
    relocate(path)
    assert _locations(path) == before


def test_another_name_of_the_same_home_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "home" / "mlartifacts").mkdir(parents=True)
    path = _store(tmp_path / "home" / "mlflow.db", (tmp_path / "home" / "mlartifacts").as_uri())
    (tmp_path / "link").symlink_to(tmp_path / "home")
    before = _locations(path)
    relocate(tmp_path / "link" / "mlflow.db")
    assert _locations(path) == before


def test_a_database_without_tables_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    relocate(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").stat().st_size == 0
