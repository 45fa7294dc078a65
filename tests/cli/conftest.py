"""Every test of the command line begins in an empty folder with a study file."""

from __future__ import annotations

import pytest

from tests.program import command_line

__all__ = ["command_line"]


@pytest.fixture(autouse=True)
def _place(command_line: None) -> None:
    pass
