"""The program, run in the test's own process, and what it says."""

from __future__ import annotations

import sys

import pytest

from nercc_tune.cli import main


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
