from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from psycopg import sql

from nercc_tune.doctor import Finding, examination, examine, postgresql
from nercc_tune.home import Home
from nercc_tune.tuning import open_storage
from nercc_tune.tuning.storage import connected
from tests.fakes import finished_home
from tests.services.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def _findings(home: Home, *, storage: str | None = None, tracking: str | None = None) -> dict[str, Finding]:
    found = examine(
        home, data_dir=home.data, storage=storage or home.storage_url, tracking=tracking or home.tracking_url
    )
    return {finding.what: finding for finding in found}


def test_a_new_home_is_told_from_a_used_one(tmp_path: Path) -> None:
    new = _findings(Home(tmp_path / "new"))
    assert "made by the first launch" in new["home"].text
    assert "made by the first launch" in new["storage"].text
    used = _findings(finished_home(tmp_path / "used"))
    assert "exists" in used["home"].text
    assert "holds 1 studies" in used["storage"].text


def test_nothing_is_made(tmp_path: Path) -> None:
    _findings(Home(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_reached_is_missing_with_its_reason(tmp_path: Path) -> None:
    found = _findings(
        Home(tmp_path), storage="postgresql://a:secret@127.0.0.1:9/x", tracking="http://a:secret@127.0.0.1:9"
    )
    for what in ("storage", "tracking"):
        assert not found[what].is_ok
        assert "secret" not in found[what].text
    assert "cannot be reached" in found["tracking"].text


def test_what_every_study_needs_is_told_from_what_some_do(tmp_path: Path) -> None:
    found = _findings(Home(tmp_path))
    assert {name for name, finding in found.items() if finding.is_needed} == {"home", "storage", "stores", "tracking"}
    (tmp_path / "taken").touch()
    home = _findings(Home(tmp_path / "taken"))["home"]
    assert not home.is_ok
    assert "cannot be written to" in home.text


def test_passwords_of_reachable_stores_are_hidden(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    found = _findings(home)
    assert found["tracking"].is_ok
    assert found["tracking"].text.endswith("can be used")


def test_the_weights_of_the_default_study_need_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "repvgg-cifar10.safetensors").touch()
    found = _findings(home)
    assert found["weights repvgg-cifar10"].text.startswith("trained")
    assert {name for name in found if name.startswith("weights")} >= {"weights lenet5-digits", "weights lenet5-mnist"}


def test_data_that_is_there_is_listed(tmp_path: Path) -> None:
    assert not _findings(Home(tmp_path))["data folder"].is_ok
    (tmp_path / "data" / "MNIST").mkdir(parents=True)
    found = _findings(Home(tmp_path))["data folder"]
    assert found.is_ok
    assert "holds MNIST" in found.text


def test_sqlite_is_said_to_serve_one_host(tmp_path: Path) -> None:
    found = _findings(Home(tmp_path))["storage hosts"]
    assert found.is_ok
    assert "of this host only" in found.text


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _findings(Home(tmp_path / "new" / "home"))["disk"].is_ok
    monkeypatch.setattr(examination, "_SCARCE_GIB", float("inf"))
    found = _findings(Home(tmp_path))["disk"]
    assert not found.is_ok
    assert found.text.endswith("; free some")


def test_optuna_and_mlflow_in_one_database_are_told(tmp_path: Path) -> None:
    assert _findings(Home(tmp_path))["stores"].is_ok
    for storage, tracking in [
        (f"sqlite:///{tmp_path}/x.db", f"sqlite:///{tmp_path}/./x.db"),
        ("postgresql://ann:a@localhost/x", "postgresql+psycopg2://bob:b@127.0.0.1:5432/x"),
    ]:
        found = _findings(Home(tmp_path), storage=storage, tracking=tracking)["stores"]
        assert not found.is_ok
        assert "the same database" in found.text
    for storage, tracking in [
        ("postgresql://ann@127.0.0.1:9/x", "postgresql://ann@127.0.0.1:9/y"),
        ("postgresql://ann@127.0.0.1:9/x", "postgresql://ann@127.0.0.1:10/x"),
    ]:
        assert _findings(Home(tmp_path), storage=storage, tracking=tracking)["stores"].is_ok


def test_a_file_of_mlflow_as_storage_is_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "m.db")) as connection:
        connection.executescript("CREATE TABLE experiments (x INTEGER); CREATE TABLE runs (x INTEGER)")
    found = _findings(Home(tmp_path), storage=f"sqlite:///{tmp_path}/m.db")["storage"]
    assert not found.is_ok
    assert "is a database of MLflow; give Optuna one of its own" in found.text


_LOOKED_AT = ("version", "rights", "latency", "connections", "encoding", "clock")


def test_a_postgresql_that_works_is_described_and_left_empty(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    found = _findings(Home(tmp_path), storage=url)
    assert "is empty" in found["storage"].text
    shown = {what: found[f"storage {what}"] for what in _LOOKED_AT}
    assert [what for what, finding in shown.items() if not finding.is_ok] == []
    assert shown["version"].text.startswith("PostgreSQL 1")
    assert shown["rights"].text == "may make tables, may read and write"
    assert shown["latency"].text.endswith("ms a round trip (median of 20)")
    assert {what for what, finding in shown.items() if finding.is_needed} == {"version", "rights", "connections"}
    assert "of 100 connections in use, room for" in shown["connections"].text
    assert shown["encoding"].text == "UTF8"
    assert all("\n" not in finding.text for finding in found.values())
    with connected(url) as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []


def test_a_postgresql_that_is_in_use_is_described(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    open_storage(url).engine.dispose()
    found = _findings(Home(tmp_path), storage=url)
    assert found["storage"].text.endswith("holds 0 studies")
    assert found["storage rights"].is_ok


def test_a_role_that_may_only_read_is_told_what_it_lacks(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    reader = postgres.new_role("doctors_reader", "s3cret-word", url)
    empty = _findings(Home(tmp_path), storage=reader)
    assert not empty["storage rights"].is_ok
    assert empty["storage rights"].text == "may not make tables; grant the role CREATE on the schema"
    open_storage(url).engine.dispose()
    used = _findings(Home(tmp_path), storage=reader)
    assert not used["storage rights"].is_ok
    assert "may not make tables, and may not read and write `alembic_version`" in used["storage rights"].text
    postgres.execute(
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO doctors_reader"), url=url
    )
    assert (
        "may not read and write `studies_study_id_seq`"
        in _findings(Home(tmp_path), storage=reader)["storage rights"].text
    )
    postgres.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doctors_reader"), url=url)
    writer = _findings(Home(tmp_path), storage=reader)["storage rights"]
    assert writer.is_ok
    assert writer.text == "may not make tables, may read and write"
    assert "s3cret-word" not in "".join(finding.text for finding in (*empty.values(), *used.values()))


def test_what_is_beyond_a_limit_of_postgresql_is_told(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, value in {"_OLDEST_POSTGRESQL": 99, "_SLOW_MS": 0, "_CONNECTIONS": 1000, "_CLOCK_SECONDS": 0}.items():
        monkeypatch.setattr(postgresql, limit, value)
    found = _findings(Home(tmp_path), storage=postgres.admin_url)
    for what, text in {
        "version": "versions before 99 are not supported",
        "latency": "run nearer to the database",
        "connections": "room for 0 processes of about 1000; raise max_connections",
        "clock": "set both by NTP",
    }.items():
        assert not found[f"storage {what}"].is_ok
        assert text in found[f"storage {what}"].text


def test_an_encoding_without_all_letters_is_told(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute(sql.SQL("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0"))
    found = _findings(Home(tmp_path), storage=postgres.admin_url.replace("/postgres", "/bytes"))["storage encoding"]
    assert not found.is_ok
    assert found.text == "SQL_ASCII; make the database with ENCODING 'UTF8'"
