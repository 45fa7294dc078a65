"""Opens a tracking store, and turns whatever goes wrong there into one line."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic.util import CommandError
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from nercc_tune.errors import TrackingError
from nercc_tune.home.places import sqlite_url
from nercc_tune.text.redaction import redact
from nercc_tune.tracking.reachability import check_tracking, is_sqlite, sqlite_path
from nercc_tune.tracking.relocation import relocate
from nercc_tune.tracking.silent import MlflowClient, MlflowException, SqlAlchemyStore

_PATIENCE_S = 15.0
"""Seconds after which a server that does not answer cannot be reached; a busy one takes a few."""

_REASON_LENGTH = 200
"""Characters of a store's own message that are passed on."""


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Raise what MLflow, its database or its server raise inside the block as a `TrackingError` of one line."""
    try:
        yield
    except (
        MlflowException,
        SQLAlchemyError,
        CommandError,
        RequestException,
        sqlite3.Error,
        ImportError,
        OSError,
    ) as error:
        reason = redact(" ".join(str(error).split()))[:_REASON_LENGTH]
        raise TrackingError(
            f"the tracking store `{redact(url)}` failed ({reason}); check that it works and may be written."
        ) from error


def open_client(url: str, artifacts: Path | None) -> MlflowClient:
    """Return a client of the store, which is made if it is an SQLite file that does not exist.

    An SQLite store that was moved or copied finds its artifacts where it stands now.

    Raises:
        TrackingError: If the store cannot be reached or read; within seconds, unless a server is silent.
    """
    check_tracking(url, timeout_s=_PATIENCE_S)
    with translated(url):
        if is_sqlite(url):
            path = sqlite_path(url)
            if path.exists():
                relocate(path)
            else:
                _create_database(path, artifacts or path.parent / "mlartifacts")
        return MlflowClient(tracking_uri=url)


def fold_log(url: str) -> None:
    """Write SQLite's write-ahead log back into the database, so that a copy of the one file is complete."""
    if is_sqlite(url):
        with translated(url), closing(sqlite3.connect(sqlite_path(url))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _create_database(path: Path, artifacts: Path) -> None:
    """Create an MLflow database in one step, however many processes try and wherever one of them is killed.

    MLflow's migrations take seconds and leave a broken database when they are interrupted or run twice at a time, so
    they run on a draft beside the file. The write-ahead log makes each commit about three times faster, and lets the
    dashboard read while a study writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-") as folder:
        draft = Path(folder).absolute() / "draft.db"
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        store = SqlAlchemyStore(sqlite_url(draft), artifacts.absolute().as_uri())  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
        store.engine.dispose()
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was faster
        except OSError:
            draft.replace(path)  # a file system without hard links
