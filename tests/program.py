"""The program, run in the test's own process: where, and what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nercc_tune.cli import main
from tests.fakes import TINY, loader, tiny_workload


def run_program(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the program as its console script does, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["nercc-tune", *arguments])
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code if isinstance(done.value.code, int) else 0


def assert_one_line(shown: str, message: str) -> None:
    """Assert that an error is one line that holds a message."""
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert message in shown
    assert "Traceback" not in shown


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Go to an empty folder with a study file, whose workload is a tiny one, in a wide terminal; nothing is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("HOME", "DATA", "STORAGE", "TRACKING"):
        monkeypatch.delenv(f"NERCC_TUNE_{name}", raising=False)
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    Path("tiny.toml").write_text(TINY, encoding="utf-8")
