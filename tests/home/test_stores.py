from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from nercc_tune.errors import StorageError
from nercc_tune.home import Home
from nercc_tune.home.stores import check_apart, database_of, storage_url, tracking_url
from nercc_tune.launch.pipeline import launch
from tests.fakes import tiny_spec
from tests.services.postgres import Postgres

SAME = [
    ("sqlite:////there/a.db", "sqlite:////there/x/../a.db"),
    ("postgresql://ann:a@localhost/x", "postgresql+psycopg://bob:b@127.0.0.1:5432/x"),
    ("postgres://ann@db/x", "postgresql+psycopg2://ann@db/x?sslmode=require"),
    ("nonsense", "nonsense"),
]
APART = [
    ("sqlite:////there/a.db", "sqlite:////there/b.db"),
    ("postgresql://ann@db/x", "postgresql://ann@db/y"),
    ("postgresql://ann@db/x", "postgresql://ann@db:5433/x"),
    ("postgresql://ann@db/x", "postgresql://ann@other/x"),
    ("sqlite:////there/a.db", "http://there"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_database_is_told_however_it_is_written(one: str, other: str) -> None:
    assert database_of(one) == database_of(other)


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_databases_are_told_apart(one: str, other: str) -> None:
    assert database_of(one) != database_of(other)


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
    assert database_of(f"sqlite:///{tmp_path}/a.db") == database_of(f"sqlite:///{tmp_path}/b.db")


def test_the_stores_lie_in_the_home_unless_the_study_names_others(tmp_path: Path) -> None:
    home = Home(tmp_path)
    spec = tiny_spec()
    assert (storage_url(spec, home), tracking_url(spec, home)) == (home.storage_url, home.tracking_url)
    spec = tiny_spec("storage.url=postgresql://ann@db/x", "tracking.url=http://there")
    assert (storage_url(spec, home), tracking_url(spec, home)) == ("postgresql://ann@db/x", "http://there")
    check_apart(spec, home)


@pytest.mark.parametrize("which", ["both named", "storage in the home", "tracking in the home"])
def test_one_file_for_both_stores_is_refused_before_it_is_made(which: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    settings = {
        "both named": (f"storage.url=sqlite:///{tmp_path}/a.db", f"tracking.url=sqlite:///{tmp_path}/./a.db"),
        "storage in the home": (f"tracking.url={home.storage_url}",),
        "tracking in the home": (f"storage.url={home.tracking_url}",),
    }
    with pytest.raises(StorageError, match=r"^Optuna and MLflow cannot share the database sqlite:.*; give each one"):
        launch(tiny_spec(*settings[which]), home)
    assert list(tmp_path.iterdir()) == []


def test_one_database_of_a_server_for_both_stores_is_refused(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    other = url.replace("+psycopg", "").replace("127.0.0.1", "localhost")
    with pytest.raises(StorageError, match=r"^Optuna and MLflow cannot share .*://ann:\*\*\*@127.*; give each one"):
        launch(tiny_spec(f"storage.url={url}", f"tracking.url={other}"), Home(tmp_path / "home"))
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() or (
            None,
        )
    assert count == 0
    assert list(tmp_path.iterdir()) == []
