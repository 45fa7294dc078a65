"""The program, run in the test's own process."""

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
