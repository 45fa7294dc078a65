from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.tracking.reachability import check_tracking
from nercc_tune.tracking.schema import _revisions, check_schema
from tests.tracking.conftest import Store


def _with_revision(store: Store, revision: str) -> str:
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()
    return store.url


def test_the_latest_revision_is_mlflows_own() -> None:
    from mlflow.store.db.utils import _get_latest_schema_revision  # noqa: PLC0415 - takes seconds

    head, known = _revisions()
    assert head == _get_latest_schema_revision()  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
    assert head in known


def test_the_schema_of_the_installed_mlflow_passes(store: Store) -> None:
    check_tracking(store.url)


def test_an_older_database_is_refused_with_the_command_that_mends_it(store: Store) -> None:
    head, known = _revisions()
    url = _with_revision(store, min(known - {head}))
    with pytest.raises(TrackingError, match=r"was made by an older MLflow than MLflow .*; make a copy") as caught:
        check_tracking(url)
    assert f"`mlflow db upgrade '{url}'`" in str(caught.value)


def test_a_newer_database_is_refused_with_the_command_that_mends_it(store: Store) -> None:
    url = _with_revision(store, "ffffffffffff")
    with pytest.raises(TrackingError, match=r"was made by a newer MLflow than .* `pip install --upgrade mlflow`"):
        check_tracking(url)


def test_an_empty_database_has_no_schema_yet(tmp_path: Path) -> None:
    check_schema(f"sqlite:///{tmp_path}/mlflow.db", None)
