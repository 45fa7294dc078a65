"""What a service that runs does when something else is to be served."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from nercc_tune.errors import ServiceError, TrackingError
from nercc_tune.hosting.offering import Offering
from nercc_tune.hosting.sources import Found
from nercc_tune.hosting.watching import Watch, curl_line
from nercc_tune.serving import ServedTable
from tests.builders import tuned_table

SERVED = ServedTable(tuned_table())


@dataclass
class Script:
    """A source whose key is another one at each look; after the last, somebody presses Ctrl-C."""

    keys: list[str | Exception]
    looks: int = 0

    def key(self) -> str:
        if self.looks == len(self.keys):
            raise KeyboardInterrupt
        found = self.keys[self.looks]
        self.looks += 1
        if isinstance(found, Exception):
            raise found
        return found

    def read(self) -> Found:
        found = self.keys[self.looks - 1]
        return Found(served=SERVED, key=str(found), title=f"code {found}")


@dataclass
class Recorder:
    """A service that is told what to serve, and refuses some of it."""

    refused: frozenset[str] = frozenset()
    served: list[str] = field(default_factory=list)
    checks: int = 0

    def offer(self, found: Found) -> str:
        return found.key

    def replace(self, offer: Any) -> None:
        if offer in self.refused:
            raise ServiceError(f"{offer} cannot be served")
        self.served.append(offer)

    def check(self) -> None:
        self.checks += 1


def look(keys: list[str | Exception], *, refused: frozenset[str] = frozenset()) -> tuple[list[str], list[str]]:
    said: list[str] = []
    running = Recorder(refused=refused)
    watch = Watch(
        running=running,
        source=Script(keys),
        offering=cast("Offering", running),
        say=said.append,
        look_s=0.001,
    )
    with pytest.raises(KeyboardInterrupt):
        watch.run("1", threading.Event())
    assert running.checks == len(keys) + 1
    return running.served, said


def test_another_code_is_served_once_and_the_one_before_again() -> None:
    served, said = look(["1", "2", "2", "2", "1", "1"])
    assert served == ["2", "1"]
    assert [line for line in said if line.startswith("serving")] == ["serving   code 2", "serving   code 1"]


def test_what_cannot_be_served_is_told_once_and_the_old_goes_on() -> None:
    served, said = look(["2", "2", "2", "3"], refused=frozenset({"2"}))
    assert served == ["3"]
    assert [line for line in said if "goes on" in line] == ["2 cannot be served; what is served goes on"]


def test_a_store_that_is_away_for_a_while_ends_nothing() -> None:
    away = TrackingError("the tracking store is away")
    served, said = look([away, away, "1", away, "2"])
    assert served == ["2"]
    assert [line for line in said if "away" in line] == ["the tracking store is away; what is served goes on"] * 2


def test_a_hangup_makes_it_look_at_once() -> None:
    hurry = threading.Event()
    hurry.set()
    running, said = Recorder(), list[str]()
    watch = Watch(
        running=running,
        source=Script([]),
        offering=cast("Offering", running),
        say=said.append,
        look_s=3600,
    )
    with pytest.raises(KeyboardInterrupt):
        watch.run("1", hurry)
    assert not hurry.is_set()


def test_the_curl_line_survives_a_shell() -> None:
    line = curl_line("http://127.0.0.1:8000", Path("a folder/q.npy"))
    assert line == (
        "curl --data-binary '@a folder/q.npy' -H 'Content-Type: application/x-npy' http://127.0.0.1:8000/predict"
    )
