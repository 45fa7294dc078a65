"""What works on this machine, and what is missing."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import sqlalchemy
import torch
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from nercc_tune.errors import NerccTuneError
from nercc_tune.home import Home
from nercc_tune.home.stores import database_of
from nercc_tune.inference import describe_device, resolve_device
from nercc_tune.text.redaction import masked
from nercc_tune.tracking.reachability import check_tracking
from nercc_tune.tuning import is_absent, open_storage, study_names
from nercc_tune.tuning.storage import connected, optuna_tables
from nercc_tune.workloads import DATASETS, RECIPES

_OLDEST_POSTGRESQL = 13
_ROUND_TRIPS = 20
_SLOW_MS = 50.0
"""Optuna makes about 50 round trips a trial; from here on they take more than two seconds of each."""
_CONNECTIONS = 3
"""What one process of a study needs."""
_CLOCK_SECONDS = 5.0
"""Well below the time after which a silent trial is given to another process."""
_SCARCE_GIB = 1.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        is_needed: Whether no study can be launched while it is not in order.
    """

    what: str
    is_ok: bool
    text: str
    is_needed: bool = False


def examine(home: Home, *, data_dir: Path, storage: str, tracking: str) -> Iterator[Finding]:
    """Look at the device, the weights, the data, the storage and the tracking store, one after the other."""
    device = resolve_device("auto")
    yield Finding(what="device", is_ok=True, text=f"{describe_device(device)}, {torch.get_num_threads()} CPU threads")
    yield _probe("home", lambda: _describe_home(home))
    yield _disk(home)
    opened = _probe("storage", lambda: _describe_storage(storage))
    yield opened
    if opened.is_ok:
        yield from _storage_details(storage)
    yield _apart(storage, tracking)
    yield _probe("tracking", lambda: _describe_tracking(tracking))
    for recipe in RECIPES:
        yield _weights(recipe, home)
    yield Finding(what="data folder", is_ok=data_dir.is_dir(), text=_describe_data(data_dir))


def _probe(what: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, is_ok=True, text=describe(), is_needed=True)
    except NerccTuneError as error:
        return Finding(what=what, is_ok=False, text=str(error), is_needed=True)


def _describe_home(home: Home) -> str:
    home.check_writable()
    return f"{home.root} ({'exists' if home.root.exists() else 'made by the first launch'})"


def _disk(home: Home) -> Finding:
    nearest = next(folder for folder in (home.root.absolute(), *home.root.absolute().parents) if folder.exists())
    free = shutil.disk_usage(nearest).free / 2**30
    text = f"{free:.1f} GiB free at {home.root}"
    return Finding(what="disk", is_ok=free >= _SCARCE_GIB, text=text if free >= _SCARCE_GIB else f"{text}; free some")


def _describe_storage(url: str) -> str:
    if is_absent(url):
        return f"{masked(url)} (made by the first launch)"
    start = time.perf_counter()
    with connected(url) as connection:
        if not optuna_tables(connection, url):
            return f"{masked(url)} is empty (its tables are made by the first launch)"
    storage = open_storage(url)
    names = study_names(storage)
    storage.remove_session()
    storage.engine.dispose()
    return f"{masked(url)} answers in {time.perf_counter() - start:.2f} s and holds {len(names)} studies"


def _storage_details(url: str) -> Iterator[Finding]:
    if url.startswith("sqlite:"):
        text = "SQLite serves the processes of this host only; use PostgreSQL for several"
        yield Finding(what="storage hosts", is_ok=True, text=text)
    elif url.startswith("postgres"):
        for what in _POSTGRESQL:
            yield _probe_server(what, url)


def _probe_server(what: str, url: str) -> Finding:
    is_needed = what in _NEEDED_OF_POSTGRESQL
    try:
        with connected(url) as connection:
            is_ok, text = _POSTGRESQL[what](connection)
    except NerccTuneError as error:
        return Finding(what=f"storage {what}", is_ok=False, text=str(error), is_needed=is_needed)
    return Finding(what=f"storage {what}", is_ok=is_ok, text=text, is_needed=is_needed)


def _version(connection: Connection) -> tuple[bool, str]:
    version = str(_ask(connection, "SHOW server_version"))
    is_ok = int(str(_ask(connection, "SHOW server_version_num"))) // 10000 >= _OLDEST_POSTGRESQL
    unfit = "" if is_ok else f"; versions before {_OLDEST_POSTGRESQL} are not supported"
    return is_ok, f"PostgreSQL {version}{unfit}"


def _rights(connection: Connection) -> tuple[bool, str]:
    """Try to make a table and take it back, and ask for the rights in what is there."""
    may_make = _may_make_tables(connection)
    made = "may make tables" if may_make else "may not make tables"
    looked_at = sqlalchemy.inspect(connection)
    tables = sorted(looked_at.get_table_names())
    locked = [table for table in tables if not _may(connection, "table", table, "SELECT INSERT UPDATE DELETE")]
    locked += [
        name for name in sorted(looked_at.get_sequence_names()) if not _may(connection, "sequence", name, "USAGE")
    ]
    if locked:
        return (
            False,
            f"{made}, and may not read and write `{locked[0]}`; grant the role both on all tables and sequences",
        )
    if not tables and not may_make:
        return False, f"{made}; grant the role CREATE on the schema"
    return True, f"{made}, may read and write"


def _may_make_tables(connection: Connection) -> bool:
    attempt = connection.begin_nested()
    try:
        connection.exec_driver_sql("CREATE TABLE nercc_tune_doctor (x integer)")
        connection.exec_driver_sql("INSERT INTO nercc_tune_doctor VALUES (1)")
    except SQLAlchemyError:
        return False
    else:
        return True
    finally:
        attempt.rollback()


def _may(connection: Connection, kind: str, name: str, rights: str) -> bool:
    """Ask for each right alone: of several, PostgreSQL says whether the role has any."""
    has = getattr(sqlalchemy.func, f"has_{kind}_privilege")
    asked = [has(sqlalchemy.func.quote_ident(name), right) for right in rights.split()]
    return all(connection.execute(sqlalchemy.select(*asked)).one())


def _latency(connection: Connection) -> tuple[bool, str]:
    took = []
    for _ in range(_ROUND_TRIPS):
        start = time.perf_counter()
        _ask(connection, "SELECT 1")
        took.append(1e3 * (time.perf_counter() - start))
    median = statistics.median(took)
    slow = "" if median < _SLOW_MS else "; a trial makes about 50, so run nearer to the database"
    return median < _SLOW_MS, f"{median:.1f} ms a round trip (median of {_ROUND_TRIPS}){slow}"


def _connections(connection: Connection) -> tuple[bool, str]:
    most = int(str(_ask(connection, "SHOW max_connections")))
    kept = int(str(_ask(connection, "SHOW superuser_reserved_connections")))
    used = int(str(_ask(connection, "SELECT sum(numbackends) FROM pg_stat_database")))
    room = max(0, most - kept - used) // _CONNECTIONS
    advice = "" if room else "; raise max_connections, or end other clients"
    return room > 0, f"{used} of {most} connections in use, room for {room} processes of about {_CONNECTIONS}{advice}"


def _encoding(connection: Connection) -> tuple[bool, str]:
    encoding = str(_ask(connection, "SHOW server_encoding"))
    is_ok = encoding == "UTF8"
    return is_ok, f"{encoding}" if is_ok else f"{encoding}; make the database with ENCODING 'UTF8'"


def _clock(connection: Connection) -> tuple[bool, str]:
    before = datetime.now(tz=UTC)
    there = _ask(connection, "SELECT clock_timestamp()")
    middle = before + (datetime.now(tz=UTC) - before) / 2
    apart = (there - middle).total_seconds() if isinstance(there, datetime) else float("nan")
    is_ok = abs(apart) < _CLOCK_SECONDS
    return is_ok, f"the server's clock is {apart:+.2f} s from this machine's{'' if is_ok else '; set both by NTP'}"


_POSTGRESQL: dict[str, Callable[[Connection], tuple[bool, str]]] = {
    "version": _version,
    "rights": _rights,
    "latency": _latency,
    "connections": _connections,
    "encoding": _encoding,
    "clock": _clock,
}
_NEEDED_OF_POSTGRESQL = ("version", "rights", "connections")


def _ask(connection: Connection, question: str) -> object:
    return connection.exec_driver_sql(question).scalar()


def _apart(storage: str, tracking: str) -> Finding:
    """Optuna and MLflow both own a table `alembic_version`, so they cannot share a database."""
    is_ok = database_of(storage) != database_of(tracking)
    text = (
        "Optuna and MLflow have a database each"
        if is_ok
        else ("Optuna and MLflow are given the same database; give each one of its own with --storage or --tracking")
    )
    return Finding(what="stores", is_ok=is_ok, text=text, is_needed=True)


def _describe_tracking(url: str) -> str:
    check_tracking(url)
    return f"{masked(url)} can be used"


def _weights(recipe: str, home: Home) -> Finding:
    trained = home.root / "weights" / f"{recipe}.safetensors"
    shipped = resources.files("nercc_tune.workloads") / "weights" / f"{recipe}.safetensors"
    if trained.exists():
        return Finding(what=f"weights {recipe}", is_ok=True, text=f"trained, {trained}")
    if shipped.is_file():
        return Finding(what=f"weights {recipe}", is_ok=True, text="shipped")
    return Finding(what=f"weights {recipe}", is_ok=False, text=f"none; make them with `nercc-tune train {recipe}`")


def _describe_data(data_dir: Path) -> str:
    known = ", ".join(DATASETS)
    if not data_dir.is_dir():
        return (
            f"{data_dir} is not there; it is made by a download, or name another with --data-dir (data sets: {known})"
        )
    inside = ", ".join(sorted(path.name for path in data_dir.iterdir() if path.is_dir())) or "nothing"
    return f"{data_dir} holds {inside} (data sets: {known})"
