"""Which stores the commands use: what the command line names, else the environment, else the file, else the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.home import Home
from tests.fakes import TINY, finished_home
from tests.program import run_program

NAMED = ("flag", "environment", "file", "home")


def _write_study(**urls: str) -> None:
    sections = "".join(f'[{section}]\nurl = "{url}"\n' for section, url in urls.items())
    Path("tiny.toml").write_text(TINY + sections, encoding="utf-8")


def _name(
    kind: str, first: str, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], dict[str, str]]:
    """Name a store at every place from the `first` on; return what the command line and the file get."""
    places = NAMED[NAMED.index(first) :]
    if "environment" in places:
        monkeypatch.setenv(f"NERCC_TUNE_{kind.upper()}", urls["environment"])
    options = [f"--{kind}", urls["flag"]] if "flag" in places else []
    return options, {kind: urls["file"]} if "file" in places else {}


@pytest.mark.parametrize("first", NAMED[:-1])
@pytest.mark.parametrize("command", ["launch", "worker", "export", "advise", "report", "sync"])
def test_the_storage_is_the_one_that_is_named_first(
    command: str, first: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = {place: f"postgresql://a:secret@127.0.0.1:9/{place}" for place in NAMED}
    options, sections = _name("storage", first, urls, monkeypatch)
    _write_study(**sections)
    assert run_program(monkeypatch, command, "tiny.toml", *options) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: cannot use the Optuna storage postgresql://a:***@127.0.0.1:9/{first}: ")
    assert shown.count("\n") == 1
    assert not Path("nercc-home/optuna.db").exists()


@pytest.mark.parametrize("command", ["export", "worker", "sync"])
def test_the_storage_is_the_homes_where_nothing_else_is_named(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finished_home(Path("nercc-home"))
    _write_study()
    assert run_program(monkeypatch, command, "tiny.toml") == 0
    assert run_program(monkeypatch, command, "tiny") == 0


def test_an_override_of_the_file_counts_as_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_study(storage="postgresql://a@127.0.0.1:9/file")
    override = "storage.url=postgresql://a@127.0.0.1:9/override"
    for command in ("launch", "worker"):
        assert run_program(monkeypatch, command, "tiny.toml", "--set", override) == 2
        assert "@127.0.0.1:9/override: " in capsys.readouterr().err
        flag = ("--storage", "postgresql://a@127.0.0.1:9/flag")
        assert run_program(monkeypatch, command, "tiny.toml", "--set", override, *flag) == 2
        assert "@127.0.0.1:9/flag: " in capsys.readouterr().err


@pytest.mark.parametrize("first", NAMED[:-1])
@pytest.mark.parametrize("command", ["launch", "sync"])
def test_the_tracking_store_is_the_one_that_is_named_first(
    command: str, first: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = finished_home(Path("nercc-home"))
    urls = {place: f"http://a:secret@127.0.0.1:9/{place}" for place in NAMED}
    options, sections = _name("tracking", first, urls, monkeypatch)
    _write_study(**sections)
    assert run_program(monkeypatch, command, "tiny.toml", "--storage", home.storage_url, *options) == 2
    shown = capsys.readouterr().err
    assert f"the tracking store `http://a:***@127.0.0.1:9/{first}` cannot be reached" in shown
    assert shown.count("\n") == 1


def test_the_doctor_looks_at_what_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NERCC_TUNE_STORAGE", "postgresql://a:secret@127.0.0.1:9/environment")
    monkeypatch.setenv("NERCC_TUNE_TRACKING", "http://a:secret@127.0.0.1:9/tracking")
    assert run_program(monkeypatch, "doctor") == 1
    shown = capsys.readouterr().out
    assert "postgresql://a:***@127.0.0.1:9/environment" in shown
    assert "http://a:***@127.0.0.1:9/tracking" in shown
    assert "secret" not in shown


def test_the_studies_are_those_of_the_storage_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = finished_home(Path("other"))
    assert run_program(monkeypatch, "studies") == 0
    assert "no studies in nercc-home yet" in capsys.readouterr().out
    monkeypatch.setenv("NERCC_TUNE_STORAGE", home.storage_url)
    assert run_program(monkeypatch, "studies") == 0
    assert "tiny" in capsys.readouterr().out
    assert run_program(monkeypatch, "studies", "--storage", Home(Path("absent")).storage_url) == 2
    assert "there is no storage sqlite:///" in capsys.readouterr().err
