"""The commands in odd places: homes with any letters in their paths, stores of other versions, narrow alphabets."""

from __future__ import annotations

import io
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nercc_tune.home import Home
from tests.fakes import finished_home
from tests.program import assert_one_line, run_program

NEWER = "ffffffffffff"


@pytest.mark.slow
def test_a_launch_leaves_everything_in_its_home_whatever_letters_that_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "50%20off?" / "a%2Fb #;&\n{x}"
    monkeypatch.setenv("HOME", str(home))
    assert run_program(monkeypatch, "launch", "tiny.toml", "--home", "~", "--set", "search.trials=2") == 0
    assert {"optuna.db", "mlflow.db", "mlartifacts", "studies"} <= {path.name for path in home.iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["50%20off?", "tiny.toml"]
    assert [path.name for path in (tmp_path / "50%20off?").iterdir()] == [home.name]
    assert len(list((home / "mlartifacts").rglob("table.json"))) > 0
    for command in (("studies",), ("sync", "tiny"), ("advise", "tiny"), ("doctor",), ("promote", "tiny", "--force")):
        assert run_program(monkeypatch, *command, "--home", str(home)) == 0
    assert [path.name for path in (tmp_path / "50%20off?").iterdir()] == [home.name]


def test_stores_may_be_files(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    home = finished_home(Path("made"))
    database = str(home.root / "optuna.db")
    for option in (["--storage", database], ["--storage", f"sqlite:///{database}"]):
        assert run_program(monkeypatch, "studies", *option) == 0
        assert "tiny" in capsys.readouterr().out
    assert run_program(monkeypatch, "studies", "--storage", "optuna") == 2
    assert_one_line(capsys.readouterr().err, "it is no URL; write `sqlite:///FILE`")
    assert not Path("optuna").exists()


def _kept(home: Home) -> list[str]:
    """Return what a home holds, without what SQLite keeps beside a database while somebody reads it."""
    return sorted(path.name for path in home.root.iterdir() if not path.name.endswith(("-shm", "-wal")))


@pytest.mark.parametrize("command", ["launch", "sync", "doctor"])
def test_a_tracking_store_of_another_version_is_refused_before_anything_is_written(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(Path("nercc-home"))
    if command == "sync":
        finished_home(home.root)
    home.root.mkdir(exist_ok=True)
    with closing(sqlite3.connect(home.root / "mlflow.db")) as connection:
        for table in ("experiments", "runs", "alembic_version"):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (version_num TEXT)")
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (NEWER,))
        connection.commit()
    before = _kept(home)
    study = {"launch": ["tiny.toml"], "sync": ["tiny"], "doctor": []}[command]
    code = run_program(monkeypatch, command, *study)
    shown = capsys.readouterr()
    assert code == (1 if command == "doctor" else 2)
    said = shown.out if command == "doctor" else shown.err
    assert "was made by a newer MLflow" in " ".join(said.split())
    if command != "doctor":
        assert_one_line(shown.err, "`pip install --upgrade mlflow`")
    assert _kept(home) == before


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_every_command_can_be_read_on_a_terminal_without_our_letters(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_home(Path("nercc-home"))
    helps = [[name, "--help"] for name in ("launch", "worker", "dashboard", "promote", "export", "report", "train")]
    for command in ([], ["--help"], *helps, ["studies"], ["advise", "tiny"], ["doctor"], ["absent λ"]):
        screens = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
        for name, screen in screens.items():
            monkeypatch.setattr(sys, name, screen)
        run_program(monkeypatch, *command)
        for screen in screens.values():
            screen.flush()
        shown = "".join(screen.buffer.getvalue().decode(encoding) for screen in screens.values())
        assert shown.strip()
        if command in (["studies"], ["dashboard", "--help"]):
            assert "lambda" in shown
