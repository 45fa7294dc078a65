"""Optuna's relational storage, opened with what SQLite needs to be quick and safe."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nercc_tune.errors import StorageError

_BUSY_SECONDS = 60


def hush() -> None:
    """Keep Optuna from writing its log lines between those of the command line; warnings remain."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_storage(url: str) -> RDBStorage:
    """Open the storage of a URL, and make its tables where they are missing.

    An SQLite file is put into WAL mode, in which a commit needs no flush of the whole file.

    Raises:
        StorageError: If the URL is malformed or its database cannot be reached or is not Optuna's.
    """
    is_sqlite = url.startswith("sqlite:")
    options = {"connect_args": {"timeout": _BUSY_SECONDS}} if is_sqlite else {"pool_pre_ping": True}
    try:
        if is_sqlite:
            _prepare_sqlite(url)
        storage = RDBStorage(url, engine_kwargs=options)
    except (SQLAlchemyError, ImportError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        if isinstance(error, ImportError):
            reason += "; install the database's driver"
        raise StorageError(f"cannot use the Optuna storage {masked(url)}: {reason}") from error
    if is_sqlite:
        sqlalchemy.event.listen(storage.engine, "connect", _commit_without_flush)
        storage.engine.dispose()
    return storage


def open_existing(url: str) -> RDBStorage:
    """Open a storage that is there already; an SQLite file that is not is left absent.

    Raises:
        StorageError: As for `open_storage`, or if there is no such file.
    """
    if is_absent(url):
        raise StorageError(f"there is no storage {masked(url)} yet; run `nercc-tune launch` first, or set --home.")
    return open_storage(url)


def is_absent(url: str) -> bool:
    """Whether a URL names an SQLite file that is not there."""
    return url.startswith("sqlite:") and not Path(url.partition(":///")[2].partition("?")[0]).is_file()


def masked(url: str) -> str:
    """Return a URL with its password as `***`."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "<malformed URL>"


def _commit_without_flush(connection: sqlite3.Connection, _: object) -> None:
    """In WAL mode this risks the last trials on a power cut, which are computed again, and never the database."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _prepare_sqlite(url: str) -> None:
    database = sqlalchemy.make_url(url).database
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    engine.dispose()
