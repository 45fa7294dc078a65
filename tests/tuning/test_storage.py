from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg
import pytest
import sqlalchemy
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import StudyDirection
from psycopg import sql

from nercc_tune.errors import StorageError
from nercc_tune.tuning import masked, open_existing, open_storage, study_names
from nercc_tune.tuning.storage import connected
from tests.fakes import sqlite_url
from tests.services.postgres import Postgres


def test_an_sqlite_file_is_in_wal_mode(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path}/new/optuna.db")
    with closing(sqlite3.connect(tmp_path / "new" / "optuna.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_storage_is_opened_again(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    assert study_names(open_storage(url)) == []
    assert study_names(open_existing(url)) == []


_UNUSABLE = {
    "no URL at all": ("here", "<malformed URL>"),
    "empty": ("", "<malformed URL>"),
    "an unknown kind": ("nosuch://ann:secret@host/db", r"nosuch://ann:\*\*\*@host/db"),
    "a port that is no number": ("postgresql://ann:secret@host:x/db", r"postgresql://ann:\*\*\*@host:x/db: its port"),
    "nobody listens": ("postgresql://ann:secret@127.0.0.1:9/db", r"postgresql://ann:\*\*\*@127\.0\.0\.1:9/db"),
    "a driver that is not installed": ("mysql://ann:secret@127.0.0.1:9/db", r"mysql://ann:\*\*\*@127\.0\.0\.1:9/db"),
}


@pytest.mark.parametrize("case", _UNUSABLE)
def test_an_unusable_url_is_refused_quickly_and_without_its_password(case: str) -> None:
    url, shown = _UNUSABLE[case]
    start = time.perf_counter()
    with pytest.raises(StorageError, match=f"cannot use the Optuna storage {shown}") as refused:
        open_storage(url)
    assert time.perf_counter() - start < 10
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot use the Optuna storage"):
        open_storage(f"sqlite:///{tmp_path}/file/optuna.db")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, but notes of mine" * 50, encoding="utf-8")
    with pytest.raises(StorageError, match=r"cannot use the Optuna storage .*notes\.db.*not a database"):
        open_storage(f"sqlite:///{tmp_path}/notes.db")
    assert (tmp_path / "notes.db").read_text(encoding="utf-8").startswith("not a database")


def test_a_storage_that_is_not_there_is_not_made_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no storage .*absent\.db yet; run `nercc-tune launch` first"):
        open_existing(f"sqlite:///{tmp_path}/absent.db")
    assert list(tmp_path.iterdir()) == []


def test_a_malformed_url_is_refused_by_a_reader() -> None:
    with pytest.raises(
        StorageError, match="cannot use the Optuna storage <malformed URL>: it is no URL; write `sqlite:///FILE`"
    ):
        open_existing("sqlite:")


def test_a_password_is_masked_and_the_rest_is_shown() -> None:
    assert masked("postgresql://ann:secret@db:5432/optuna") == "postgresql://ann:***@db:5432/optuna"
    assert masked("sqlite:////home/ann/optuna.db") == "sqlite:////home/ann/optuna.db"


def test_a_storage_in_memory_is_refused() -> None:
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"):
        with pytest.raises(StorageError, match=r"must name a file, `sqlite:///FILE`; one in memory cannot be shared"):
            open_storage(url)


def test_a_trial_gives_signs_of_life_and_one_that_stops_is_queued_again(tmp_path: Path) -> None:
    storage = open_storage(sqlite_url(tmp_path), heartbeat_s=3, grace_s=7)
    assert (storage.get_heartbeat_interval(), storage.grace_period) == (3, 7)
    assert isinstance(storage.heartbeat_stale_trial_callback, RetryHeartbeatStaleTrialCallback)


@pytest.mark.parametrize(
    "tables", [["experiments", "runs", "alembic_version"], ["studies", "trials", "experiments", "runs"]]
)
def test_a_file_of_mlflow_is_refused_and_left_alone(tmp_path: Path, tables: list[str]) -> None:
    _make_tables(tmp_path / "mlflow.db", tables)
    before = (tmp_path / "mlflow.db").read_bytes()
    with pytest.raises(StorageError, match=r"mlflow\.db: it is a database of MLflow; give Optuna one of its own\.$"):
        open_storage(f"sqlite:///{tmp_path}/mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    _make_tables(tmp_path / "bills.db", ["bills"])
    before = (tmp_path / "bills.db").read_bytes()
    with pytest.raises(
        StorageError, match=r"bills\.db: it is a database of another program; give Optuna one of its own"
    ):
        open_storage(f"sqlite:///{tmp_path}/bills.db")
    assert (tmp_path / "bills.db").read_bytes() == before


def test_tables_that_an_interrupted_launch_left_are_completed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "optuna.db")) as connection:
        connection.execute(
            "CREATE TABLE version_info (version_info_id INTEGER NOT NULL PRIMARY KEY, "
            "schema_version INTEGER, library_version VARCHAR(256))"
        )
    assert study_names(open_storage(f"sqlite:///{tmp_path}/optuna.db")) == []


@pytest.mark.parametrize("size", [2, 15, 16, 100, 600, 5000])
def test_a_file_of_any_size_that_is_no_database_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "notes.db").write_bytes(b"x" * size)
    with pytest.raises(StorageError, match=r"file is not a database; move the file away, or name another$"):
        open_storage(f"sqlite:///{tmp_path}/notes.db")
    assert (tmp_path / "notes.db").read_bytes() == b"x" * size


def test_a_transaction_of_sqlite_excludes_others_from_its_first_read_on(tmp_path: Path) -> None:
    with _closing(sqlite_url(tmp_path)) as storage, storage.engine.connect() as reading:
        reading.exec_driver_sql("SELECT * FROM trials")
        with closing(sqlite3.connect(tmp_path / "optuna.db", timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                other.execute("BEGIN IMMEDIATE")
            reading.rollback()
            other.execute("BEGIN IMMEDIATE")


@pytest.mark.slow
def test_processes_claim_and_finish_each_trial_once_in_sqlite(tmp_path: Path) -> None:
    _assert_each_once(f"sqlite:///{tmp_path}/optuna.db", processes=8, trials=200)


@pytest.mark.slow
def test_processes_claim_and_finish_each_trial_once_in_postgresql(postgres: Postgres) -> None:
    _assert_each_once(postgres.new_database(), processes=8, trials=200)


def _assert_each_once(url: str, *, processes: int, trials: int) -> None:
    command = [sys.executable, "-m", "tests.tuning.claiming", url, str(processes), str(trials)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this package's own
    got = json.loads(done.stdout)
    assert len(got["ids"]) == trials
    assert got["claimed"] == got["ids"]
    assert got["finished"] == got["ids"]


@contextmanager
def _closing(url: str) -> Iterator[RDBStorage]:
    """Open a storage and close its connections at the end."""
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_a_url_without_a_driver_uses_psycopg(postgres: Postgres) -> None:
    url = postgres.new_database().partition("://")[2]
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        with _closing(f"{scheme}://{url}") as storage:
            assert storage.engine.dialect.driver == "psycopg"


@pytest.mark.parametrize(("query", "name"), [("", "nercc-tune"), ("?application_name=mine", "mine")])
def test_a_session_of_postgresql_is_named_and_kept_alive(postgres: Postgres, query: str, name: str) -> None:
    with _closing(postgres.new_database() + query) as storage, storage.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == name
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        given = driver.info.get_parameters()
        assert given["keepalives_idle"] == "30"
        assert given["connect_timeout"] == "10"


def test_a_connection_that_was_lost_is_replaced(postgres: Postgres) -> None:
    with _closing(postgres.new_database()) as storage:
        assert study_names(storage) == []
        storage.remove_session()
        postgres.restart(is_immediate=True)
        assert study_names(storage) == []


@pytest.mark.parametrize(
    ("table", "owner"), [("experiments, runs, alembic_version", "MLflow"), ("bills", "another program")]
)
def test_a_database_of_postgresql_that_is_not_optunas_is_refused(postgres: Postgres, table: str, owner: str) -> None:
    url = postgres.new_database()
    names = table.split(", ")
    postgres.execute(*(sql.SQL("CREATE TABLE {} (x int)").format(sql.Identifier(name)) for name in names), url=url)
    with pytest.raises(StorageError, match=f"is a database of {owner}; give Optuna one of its own"):
        open_storage(url)
    with connected(url) as connection:
        assert sorted(sqlalchemy.inspect(connection).get_table_names()) == sorted(names)


_SECRETS = ["s3cret-word", "a/b@c:d%e", "p w+?#[]{x}"]
_FAILING = {
    "password": ("ann:{secret}@127.0.0.1:{port}/postgres", "password authentication failed .* check the user and the"),
    "host": ("ann:{secret}@nosuch.invalid:{port}/postgres", "resolve host .*; check the host in the URL"),
    "port": ("ann:{secret}@127.0.0.1:9/postgres", "Connection refused.*; check that the database runs"),
    "database": ("{role}:{secret}@127.0.0.1:{port}/nosuch", 'database "nosuch" does not exist; make it first'),
}


@pytest.mark.parametrize("secret", _SECRETS)
@pytest.mark.parametrize("case", _FAILING)
def test_a_connection_that_fails_says_why_in_one_line_without_the_password(
    postgres: Postgres, case: str, secret: str
) -> None:
    template, reason = _FAILING[case]
    role = f"{case}_{_SECRETS.index(secret)}"
    postgres.new_role(role, secret, postgres.admin_url)
    url = "postgresql://" + template.format(secret=quote(secret, safe=""), port=postgres.port, role=role)
    with pytest.raises(StorageError, match=reason) as refused:
        open_storage(url)
    shown = str(refused.value) + "".join(traceback.format_exception(refused.value))
    assert "\n" not in str(refused.value)
    for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]):
        assert form not in shown


@pytest.mark.parametrize("secret", ["front@w0rd", "front@w0rd:x1y2/z3z4", "front@127.0.0.1:1/w0rd"])
def test_a_password_that_was_not_quoted_stays_out_of_what_it_is_taken_for(secret: str) -> None:
    with pytest.raises(StorageError, match=r"^cannot use the Optuna storage postgresql://ann:\*\*\*@db/x: ") as refused:
        open_storage(f"postgresql://ann:{secret}@db/x")
    shown = "".join(traceback.format_exception(refused.value))
    assert [word for word in ("front", "w0rd", "x1y2", "z3z4") if word in shown] == []


def test_a_role_that_may_not_make_tables_is_told_so(postgres: Postgres) -> None:
    url = postgres.new_role("reader", "s3cret-word", postgres.new_database())
    with pytest.raises(StorageError, match=r"permission denied .*; let the role of the URL make and write tables"):
        open_storage(url)


def test_a_role_that_may_only_read_sees_the_studies(postgres: Postgres) -> None:
    owned = postgres.new_database()
    with _closing(owned) as storage:
        storage.create_new_study([StudyDirection.MINIMIZE], "mine")
    with _closing(postgres.new_role("onlooker", "s3cret-word", owned)) as storage:
        assert storage.get_study_name_from_id(storage.get_study_id_from_name("mine")) == "mine"


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r'driver is not installed; `pip install "nercc-tune\[postgres\]"`$'):
        open_storage("postgresql://ann:secret@127.0.0.1:9/db")


def _make_tables(file: Path, names: list[str]) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for name in names:
            connection.execute(f"CREATE TABLE {name} (x INTEGER)")
