from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from nercc_tune.errors import StorageError
from nercc_tune.tuning import masked, open_existing, open_storage, study_names
from tests.fakes import sqlite_url


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
    with pytest.raises(StorageError, match="there is no storage <malformed URL>"):
        open_existing("sqlite:")


def test_a_password_is_masked_and_the_rest_is_shown() -> None:
    assert masked("postgresql://ann:secret@db:5432/optuna") == "postgresql://ann:***@db:5432/optuna"
    assert masked("sqlite:////home/ann/optuna.db") == "sqlite:////home/ann/optuna.db"
