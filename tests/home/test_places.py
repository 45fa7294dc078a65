"""Hostile places: whatever letters a path holds, each store lies where it was named, and nothing lies elsewhere."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nercc_tune.errors import HomeError, StorageError
from nercc_tune.home import Home
from nercc_tune.home.places import given_path, sqlite_file, sqlite_url, store_url
from nercc_tune.tuning import closing_storage, open_storage

# Any letters but the two that no name may hold; names of one or two dots are other folders.
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
HOSTILE = (
    "a%2Fb",
    "50%20off",
    "a?b",
    "?",
    "a#b",
    "a;b&c=d",
    "a b",
    "%",
    "%%",
    "é",
    "'\"",
    "back\\slash",
    "{x}",
    "\n",
    "~",
)


def _hostile(test: Callable[..., None]) -> Callable[..., None]:
    for name in HOSTILE:
        test = example(name=name)(test)
    return test


@_hostile
@settings(max_examples=200, deadline=None)
@given(name=NAMES)
def test_a_url_names_the_file_that_it_was_made_for(name: str) -> None:
    path = Path("/data") / name / "optuna.db"
    url = sqlite_url(path)
    assert sqlalchemy.make_url(url).database == str(path)
    assert sqlite_file(url) == path
    assert store_url(url) == url
    assert store_url(str(path)) == url


@_hostile
@settings(max_examples=30, deadline=None)
@given(name=NAMES)
def test_what_is_written_at_a_url_lies_in_the_home(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / name)
        home.root.mkdir()
        for url in (home.storage_url, home.tracking_url):
            engine = sqlalchemy.create_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE t (x integer)")
            engine.dispose()
        assert sorted(path.name for path in home.root.iterdir()) == ["mlflow.db", "optuna.db"]
        assert list(Path(folder).iterdir()) == [home.root]


@pytest.mark.parametrize("name", HOSTILE)
def test_optunas_storage_lies_in_the_home(name: str, tmp_path: Path) -> None:
    home = Home(tmp_path / name)
    with closing_storage(open_storage(home.storage_url)):
        pass
    assert home.has_storage
    with closing(sqlite3.connect(home.root / "optuna.db")) as connection:
        assert connection.execute("SELECT count(*) FROM studies").fetchone() == (0,)
    assert list(tmp_path.iterdir()) == [home.root]


def test_a_tilde_is_the_users_own_folder_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert given_path("~/studies") == tmp_path / "studies"
    assert Home(Path("~/h"), Path("~/d")) == Home(tmp_path / "h", tmp_path / "d")
    assert store_url("~/optuna.db") == f"sqlite:///{tmp_path}/optuna.db"
    assert store_url("sqlite:///~/optuna.db?timeout=5") == f"sqlite:///{tmp_path}/optuna.db?timeout=5"
    assert store_url("sqlite:///there/~/optuna.db") == "sqlite:///there/~/optuna.db"


@pytest.mark.parametrize("given_", ["~nobody-of-this-name/x", "a\0b"])
def test_what_cannot_be_a_path_is_refused_in_a_line(given_: str) -> None:
    with pytest.raises(HomeError, match=r"begins with `~`, but there is no such user|cannot be one") as caught:
        given_path(given_)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "postgresql://ann@db/optuna", "optuna", "", "a:b:c"]
)
def test_other_urls_name_no_file(url: str) -> None:
    assert sqlite_file(url) is None
    assert store_url(url) == url


@pytest.mark.parametrize("given_", ["optuna.db", "here/optuna.sqlite", "/there/optuna.sqlite3"])
def test_a_file_is_a_store(given_: str) -> None:
    assert store_url(given_) == f"sqlite:///{given_}"


@pytest.mark.parametrize("given_", ["optuna", "ann:secret@db"])
def test_what_is_neither_is_refused_with_what_to_write(given_: str) -> None:
    with pytest.raises(StorageError, match=r"it is no URL; write `sqlite:///FILE`, the path of a file") as caught:
        open_storage(store_url(given_))
    assert "secret" not in str(caught.value)
