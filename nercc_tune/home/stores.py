"""The two stores of a study: Optuna's storage and MLflow's tracking store, each a database of its own."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from nercc_tune.errors import StorageError
from nercc_tune.home import Home
from nercc_tune.home.places import store_url
from nercc_tune.spec import StudySpec
from nercc_tune.text.redaction import masked


def storage_url(spec: StudySpec, home: Home) -> str:
    """Return the URL of the study's Optuna storage."""
    return store_url(spec.storage.url) if spec.storage.url else home.storage_url


def tracking_url(spec: StudySpec, home: Home) -> str:
    """Return the URL of the study's MLflow tracking store."""
    return store_url(spec.tracking.url) if spec.tracking.url else home.tracking_url


def check_apart(spec: StudySpec, home: Home) -> None:
    """Refuse one database for both: Optuna and MLflow each make a table `alembic_version`, and neither opens then.

    Raises:
        StorageError: If both URLs name one database.
    """
    storage = storage_url(spec, home)
    if database_of(storage) == database_of(tracking_url(spec, home)):
        raise StorageError(f"Optuna and MLflow cannot share the database {masked(storage)}; give each one of its own.")


def database_of(url: str) -> tuple[object, ...]:
    """Return what tells one database from another: its kind and file, or its kind, host, port and name."""
    try:
        parsed = sqlalchemy.make_url(url)
    except ArgumentError:
        return (url,)
    kind = parsed.drivername.partition("+")[0].replace("postgresql", "postgres")
    if kind == "sqlite":
        return (kind, Path(parsed.database or "").absolute().resolve())
    port = parsed.port or (5432 if kind == "postgres" else None)
    return (kind, {"localhost": "127.0.0.1"}.get(parsed.host or "localhost", parsed.host), port, parsed.database)
