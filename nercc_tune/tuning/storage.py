"""Optuna's relational storage, opened with what many processes on one study need."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from nercc_tune.errors import StorageError
from nercc_tune.home.places import sqlite_file
from nercc_tune.text.redaction import masked, without_password

__all__ = ["connected", "hush", "is_absent", "masked", "open_existing", "open_storage", "optuna_tables"]

_BUSY_SECONDS = 60
_OPENING = 0x6E657263  # a number for PostgreSQL's advisory lock that no other program takes: `nerc`
_POOL = {"pool_pre_ping": True, "pool_size": 3, "max_overflow": 2}  # trial, heartbeat, progress
_LIBPQ = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "nercc-tune",
    "client_encoding": "utf8",  # psycopg gives bytes where the database has no encoding
}
_STUDY_PARTS = ("study_directions", "study_system_attributes", "study_user_attributes")
_TRIAL_PARTS = ("heartbeats", "intermediate_values", "params", "system_attributes", "user_attributes", "values")
_OPTUNA_TABLES = frozenset(("alembic_version", "studies", "trials", "version_info", *_STUDY_PARTS))
_OPTUNA_TABLES |= {f"trial_{part}" for part in _TRIAL_PARTS}
_REMEDIES = {
    "password authentication failed": "check the user and the password in the URL",
    "no password supplied": "put the password into the URL, or into ~/.pgpass",
    "resolve host": "check the host in the URL",
    "Connection refused": "check that the database runs, and the host and the port in the URL",
    "is locked": "another process holds it; wait, and launch again",
    "timeout": "check that the database runs and that no firewall is between",
    "does not exist": "make it first, or check the name in the URL",
    "permission denied": "let the role of the URL make and write tables there",
    "read-only": "use a database that may be written",
    "not a database": "move the file away, or name another",
}


def hush() -> None:
    """Keep Optuna from writing its log lines between those of the command line; warnings remain."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_storage(url: str, *, heartbeat_s: int = 10, grace_s: int = 60) -> RDBStorage:
    """Open the storage of a URL, and make its tables where they are missing.

    A trial whose process has given no sign for `grace_s` seconds is failed, and queued again, by the next process
    that asks for one. An SQLite file is put into WAL mode, in which a commit needs no flush of the whole file.

    Raises:
        StorageError: If the URL is malformed or its database cannot be reached or is not Optuna's; without its
            password, also in the traceback.
    """
    with _translated(url):
        target = _parsed(url)
        with _alone(target, url):
            storage = _opened(target, heartbeat_s, grace_s)
    if _is_sqlite(target):
        _serialise(storage.engine)
    return storage


@contextmanager
def closing_storage(storage: RDBStorage) -> Iterator[RDBStorage]:
    """Close the connections of a storage at the end of the block."""
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def open_existing(url: str, *, heartbeat_s: int = 10, grace_s: int = 60) -> RDBStorage:
    """Open a storage that is there already; an SQLite file that is not is left absent.

    Raises:
        StorageError: As for `open_storage`, or if there is no such file.
    """
    if is_absent(url):
        raise StorageError(f"there is no storage {masked(url)} yet; run `nercc-tune launch` first, or set --home.")
    return open_storage(url, heartbeat_s=heartbeat_s, grace_s=grace_s)


def is_absent(url: str) -> bool:
    """Whether a URL names an SQLite file that is not there."""
    file = sqlite_file(url)
    return file is not None and not file.is_file()


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Connect to the database of a storage as it is, and make nothing in it.

    Raises:
        StorageError: If the database cannot be reached, or a statement inside the block fails.
    """
    with _translated(url), _connection(_parsed(url)) as connection:
        yield connection


def optuna_tables(connection: Connection, url: str) -> frozenset[str]:
    """Return the tables that a database of Optuna has; none where it is empty.

    Raises:
        StorageError: If the database of this URL belongs to another program.
    """
    tables = frozenset(sqlalchemy.inspect(connection).get_table_names())
    _refuse_foreign(url, tables)
    return tables


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Raise what the database or its driver raise inside the block as one line, without their tracebacks."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, ImportError, RuntimeError, OSError) as error:
        reason = without_password(_reason(error, url), url)
        raise StorageError(f"cannot use the Optuna storage {masked(url)}: {reason}") from None


def _reason(error: Exception, url: str) -> str:
    if isinstance(error, ImportError):
        if url.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
            return 'its driver is not installed; `pip install "nercc-tune[postgres]"`'
        return f"its driver is not installed ({error.name}); install the one that the URL names"
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    reason = (str(said).strip() or type(said).__name__).splitlines()[0]
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words in reason), None)
    return f"{reason}; {remedy}" if remedy else reason


def _parsed(url: str) -> URL:
    """Return the URL with psycopg 3 where it names PostgreSQL and no driver.

    Raises:
        StorageError: If its port is no number, or it names a database in memory, which no other process sees and
            nothing outlives.
    """
    try:
        target = sqlalchemy.make_url(url)
    except ArgumentError:
        raise StorageError(
            f"cannot use the Optuna storage {masked(url)}: it is no URL; write "
            "`sqlite:///FILE`, the path of a file that ends in `.db`, or `postgresql+psycopg://USER@HOST/DATABASE`."
        ) from None
    except ValueError:  # it quotes what it takes for a port, which may be a part of the password
        raise StorageError(f"cannot use the Optuna storage {masked(url)}: its port is not a number.") from None
    if target.drivername in ("postgres", "postgresql"):
        return target.set(drivername="postgresql+psycopg")
    if _is_sqlite(target) and (target.database or ":memory:").startswith((":memory:", "file:")):
        raise StorageError(
            f"cannot use the Optuna storage {masked(url)}: it must name a file, `sqlite:///FILE`; "
            "one in memory cannot be shared or resumed."
        )
    return target


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _engine_options(url: URL) -> dict[str, object]:
    if _is_sqlite(url):
        return {"connect_args": {"timeout": _BUSY_SECONDS}}
    if url.drivername not in ("postgresql+psycopg", "postgresql+psycopg2"):
        return {"pool_pre_ping": True}
    return {**_POOL, "connect_args": {name: value for name, value in _LIBPQ.items() if name not in url.query}}


@contextmanager
def _connection(target: URL) -> Iterator[Connection]:
    engine = sqlalchemy.create_engine(target, **_engine_options(target))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _alone(target: URL, url: str) -> Iterator[None]:
    """Let one process at a time make the tables: Optuna looks which are there and then makes them, one by one."""
    if _is_sqlite(target):
        file = Path(str(target.database))
        with _alone_in_folder(file):
            _prepare(file, url)
            yield
        return
    with _connection(target) as connection:
        if target.get_backend_name() == "postgresql":
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_OPENING)))
        optuna_tables(connection, url)
        yield


@contextmanager
def _alone_in_folder(file: Path) -> Iterator[None]:
    """Lock the folder, never the file: closing a second handle of the file would lift the locks of SQLite."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _prepare(file: Path, url: str) -> None:
    """Look whose file it is, which writes nothing, and only then put it into WAL mode."""
    with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        _refuse_foreign(url, frozenset(name for (name,) in found))
        connection.execute("PRAGMA journal_mode=WAL")


def _refuse_foreign(url: str, tables: frozenset[str]) -> None:
    """Refuse a database with tables that Optuna does not make; both it and MLflow own an `alembic_version`."""
    if tables <= _OPTUNA_TABLES:
        return
    owner = "MLflow" if {"experiments", "runs"} <= tables else "another program"
    if owner != "MLflow" and {"studies", "trials"} <= tables:
        return
    raise StorageError(
        f"cannot use the Optuna storage {masked(url)}: it is a database of {owner}; give Optuna one of its own."
    )


def _opened(url: URL, heartbeat_s: int, grace_s: int) -> RDBStorage:
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # Optuna formats it
    storage = RDBStorage.__new__(RDBStorage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            RDBStorage.__init__(
                storage,
                text,
                engine_kwargs=_engine_options(url),
                heartbeat_interval=heartbeat_s,
                grace_period=grace_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )
        except BaseException:
            if hasattr(storage, "engine"):
                storage.engine.dispose()
            raise
    return storage


def _serialise(engine: Engine) -> None:
    """Make SQLite transactions exclude each other from their first statement on.

    Optuna reads the state of a trial, decides, and writes it; SQLite knows no `SELECT … FOR UPDATE`, and without this
    two processes read the same state, and both claim or finish one trial.
    """
    sqlalchemy.event.listen(engine, "connect", _take_over_transactions)
    sqlalchemy.event.listen(engine, "begin", _begin_immediate)
    engine.dispose()


def _take_over_transactions(connection: sqlite3.Connection, _: object) -> None:
    """Keep sqlite3 from opening transactions by itself, and commits from flushing.

    In WAL mode the latter risks the last trials on a power cut, which are computed again, and never the database.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
