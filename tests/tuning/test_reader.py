from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.errors import StorageError
from nercc_tune.tuning import Ledger, StudyReader, closing_storage, open_existing, open_storage
from tests.fakes import finished_home, sqlite_url


def test_a_home_is_read_once_until_it_changes(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    reader = StudyReader(home.storage_url)
    first = reader.read()["tiny"]
    assert not first.is_launched
    assert first.history.is_judged
    assert reader.read()["tiny"].history is first.history
    with closing_storage(open_existing(home.storage_url)) as storage:
        study_id = storage.get_study_id_from_name("tiny/K5-N12-S2")
        storage.set_study_user_attr(study_id, "nercc_tune.baselines", {})
    changed = reader.read()["tiny"].history
    assert changed.cells[0].baselines == {}
    assert changed.cells[1] == first.history.cells[1]


def test_a_study_that_is_launched_is_seen_so_without_a_change(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    reader = StudyReader(home.storage_url)
    with closing_storage(open_existing(home.storage_url)) as storage, Ledger(storage, "tiny").conducted():
        assert reader.read()["tiny"].is_launched
    assert not reader.read()["tiny"].is_launched


def test_what_was_read_recently_is_not_read_again(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    reader = StudyReader(home.storage_url, max_age_s=3600.0)
    with closing_storage(open_existing(home.storage_url)) as storage:
        before = reader.read()
        with Ledger(storage, "tiny").conducted():
            assert reader.read() is before


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    reader = StudyReader(f"sqlite:///{tmp_path}/optuna.db")
    assert reader.read() == {}
    assert list(tmp_path.iterdir()) == []
    open_storage(sqlite_url(tmp_path)).remove_session()
    assert reader.read() == {}


def test_a_storage_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "optuna.db").write_text("no database at all, but longer than a header", encoding="utf-8")
    with pytest.raises(StorageError, match=r"not an SQLite database|file is not a database"):
        StudyReader(f"sqlite:///{tmp_path}/optuna.db").read()
