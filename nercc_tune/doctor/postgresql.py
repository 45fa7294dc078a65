"""What a PostgreSQL server must offer to hold Optuna's storage."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["NEEDED", "POSTGRESQL"]

_OLDEST_POSTGRESQL = 13
_ROUND_TRIPS = 20
_SLOW_MS = 50.0
"""Optuna makes about 50 round trips a trial; from here on they take more than two seconds of each."""
_CONNECTIONS = 3
"""What one process of a study needs."""
_CLOCK_SECONDS = 5.0
"""Well below the time after which a silent trial is given to another process."""


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


POSTGRESQL: dict[str, Callable[[Connection], tuple[bool, str]]] = {
    "version": _version,
    "rights": _rights,
    "latency": _latency,
    "connections": _connections,
    "encoding": _encoding,
    "clock": _clock,
}
NEEDED = ("version", "rights", "connections")


def _ask(connection: Connection, question: str) -> object:
    return connection.exec_driver_sql(question).scalar()
