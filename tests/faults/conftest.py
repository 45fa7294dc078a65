"""Studies in folders of their own, and PostgreSQL and MLflow servers that only one test uses, since it stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.operation import Operation

Operate = Callable[..., Operation]


@pytest.fixture
def operate(tmp_path: Path) -> Iterator[Operate]:
    """Return what makes a study in a folder; all that it starts is ended with the test."""
    made: list[Operation] = []

    def make(name: str = "study", **settings: Any) -> Operation:
        made.append(Operation(folder=tmp_path / name, **settings))
        return made[-1]

    yield make
    for operation in made:
        operation.close()
