"""Whether a tracking store can be used, found out within seconds and without importing MLflow."""

from __future__ import annotations

import base64
import os
import re
import socket
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from nercc_tune.errors import TrackingError
from nercc_tune.home.places import sqlite_file, sqlite_url
from nercc_tune.text.redaction import redact, without_password
from nercc_tune.tracking.schema import check_schema

_BEGINNING = 200
_VERSION = re.compile(r"\d+(\.\w+)+")
_REVISION = "SELECT version_num FROM alembic_version"
_SERVER_PATHS = ("/health", "/api/2.0/mlflow/experiments/search?max_results=1")
_NOT_A_URL = "that is not a URL of a host and a port"  # Python's own words quote what may be a part of the password
_LOGIN = re.compile(r"://[^:/@]*(:[^@]*)?@")  # as SQLAlchemy reads it: a password may hold a slash
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_tracking(url: str, *, timeout_s: float = 5.0) -> None:
    """Check that a tracking store can be reached, before anything is written to it.

    An SQLite file must be absent, or MLflow's; a server must answer; a database must let the user of the URL in. The
    tables must be those of the MLflow that is installed.

    Raises:
        TrackingError: If the store cannot be reached, belongs to something else, has the tables of another version, or
            is of an unknown kind.
    """
    kind = _kind(url)
    if kind == "sqlite":
        _check_file(sqlite_path(url))
    elif kind in ("http", "https"):
        _check_server(url, timeout_s)
    elif kind in _PORTS:
        _check_port(url, _PORTS[kind], timeout_s)
        _check_database(url, timeout_s)
    else:
        raise TrackingError(
            f"the tracking URL must be `sqlite:///FILE`, `http(s)://HOST` or a database's, but got `{redact(url)}`."
        )


def is_server(url: str) -> bool:
    """Whether the URL names an MLflow server rather than a database."""
    return _kind(url) in ("http", "https")


def is_sqlite(url: str) -> bool:
    """Whether the URL names an SQLite file."""
    return _kind(url) == "sqlite"


def sqlite_path(url: str) -> Path:
    """Return the file of an `sqlite:///` URL.

    Raises:
        TrackingError: If the URL names no file.

    >>> sqlite_path("sqlite:////home/ann/mlflow.db").as_posix()
    '/home/ann/mlflow.db'
    """
    file = sqlite_file(url)
    if file is None:
        raise TrackingError(f"the tracking URL must name a file, `sqlite:///FILE`, but got `{redact(url)}`.")
    return file


def without_login(url: str) -> str:
    """Return a server's address without user, password and query.

    >>> without_login("http://ann:secret@tracking:5000/mlflow?x=1")
    'http://tracking:5000/mlflow'
    """
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def owner_of(tables: set[str]) -> str | None:
    """Tell whose database this is: `MLflow`, `Optuna`, `another program`, or None while it is empty."""
    if not tables - {"alembic_version"}:
        return None
    if {"experiments", "runs"} <= tables:
        return "MLflow"
    return "Optuna" if {"studies", "trials"} <= tables else "another program"


def refuse_foreign(url: str, tables: set[str]) -> None:
    """Refuse a database that is not MLflow's.

    Raises:
        TrackingError: If the tables are Optuna's or another program's.
    """
    owner = owner_of(tables)
    if owner not in (None, "MLflow"):
        raise TrackingError(f"the tracking store `{redact(url)}` is a database of {owner}; give MLflow one of its own.")


def _kind(url: str) -> str:
    return url.partition(":")[0].partition("+")[0].lower()


def _check_file(path: Path) -> None:
    where = f"the tracking store `{path}`"
    if path.is_dir():
        raise TrackingError(f"{where} is a folder; give a file.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise TrackingError(f"{where} cannot be written: `{folder}` is not a folder that may be written to.")
    if not path.exists():
        return
    if not os.access(path, os.R_OK | os.W_OK):
        raise TrackingError(f"{where} may not be read and written; change its permissions, or give another file.")
    # Only SQLite itself may open the file: closing it otherwise would drop the locks of this process's connections, and
    # another process would then take away the log that they read.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            row = connection.execute(_REVISION).fetchone() if "alembic_version" in tables else None
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise TrackingError(
                f"{where} is not an SQLite database; move it away, and `nercc-tune sync` builds it anew."
            ) from error
        raise TrackingError(
            f"{where} cannot be read ({error}); move it away, and `nercc-tune sync` builds it anew."
        ) from error
    refuse_foreign(sqlite_url(path), tables)
    check_schema(sqlite_url(path), str(row[0]) if row else None)


def server_version(url: str, *, timeout_s: float = 5.0) -> str | None:
    """Return the version of MLflow that a server runs; None where it does not tell.

    Raises:
        TrackingError: If it cannot be reached.
    """
    status, content = _get(url, "/version", timeout_s)
    return content.strip() if status == 200 and _VERSION.fullmatch(content.strip()) else None


def _check_server(url: str, timeout_s: float) -> None:
    """Ask the server for its health, and where a proxy hides that, for an experiment."""
    statuses = [_get(url, path, timeout_s)[0] for path in _SERVER_PATHS[:1]]
    if statuses[0] not in (200, 401, 403):
        statuses.append(_get(url, _SERVER_PATHS[1], timeout_s)[0])
    if statuses[-1] not in (200, 401, 403):
        raise TrackingError(
            f"`{redact(url)}` does not answer as an MLflow server (HTTP {statuses[-1]}); check the tracking URL."
        )


def _get(url: str, path: str, timeout_s: float) -> tuple[int, str]:
    """Return the status and the beginning of what a server answers."""
    parts = urllib.parse.urlsplit(url)
    bare = without_login(url).rstrip("/")
    request = urllib.request.Request(bare + path)  # noqa: S310 - the caller has seen that the scheme is http(s)
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - as above
            return int(answer.status), answer.read(_BEGINNING).decode(errors="replace")
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except OSError as error:
        raise _unreachable(url, getattr(error, "reason", error)) from error
    except (ValueError, HTTPException) as error:
        raise _unreachable(url, _NOT_A_URL) from error


def _check_port(url: str, default: int, timeout_s: float) -> None:
    try:
        parts = urllib.parse.urlsplit(_LOGIN.sub("://", url, count=1))
        host, port = parts.hostname, parts.port or default
        if host is None:  # a local socket or a service name; only the driver knows where
            return
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError as error:
        raise _unreachable(url, error) from error
    except ValueError as error:
        raise _unreachable(url, _NOT_A_URL) from error


def _check_database(url: str, timeout_s: float) -> None:
    """Connect once; MLflow itself would try again for a hundred seconds where, for example, the password is wrong."""
    patience = {"connect_timeout": max(1, round(timeout_s))} if _kind(url) == "postgresql" else {}
    try:
        engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=patience)
        with engine.connect() as connection:
            tables = set(sqlalchemy.inspect(connection).get_table_names())
            revision = connection.exec_driver_sql(_REVISION).scalar() if "alembic_version" in tables else None
    except ImportError as error:
        raise TrackingError(
            f"the tracking store `{redact(url)}` needs a driver that is not installed; install `{error.name}`."
        ) from error
    except (SQLAlchemyError, ValueError) as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise _unreachable(url, without_password(said, url)) from None
    refuse_foreign(url, tables)
    check_schema(url, None if revision is None else str(revision))


def _unreachable(url: str, reason: object) -> TrackingError:
    return TrackingError(
        f"the tracking store `{redact(url)}` cannot be reached ({redact(str(reason))}); "
        "start it, or change the tracking URL."
    )
