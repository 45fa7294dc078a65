"""What the process that started a service does while it runs: it looks whether something else is to be served."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nercc_tune.errors import NerccTuneError
from nercc_tune.hosting.offering import Offering
from nercc_tune.hosting.plan import Offer
from nercc_tune.hosting.settings import HostSettings
from nercc_tune.hosting.sources import Source

__all__ = ["Running", "Watch", "curl_line", "greet"]

_LOOK_S = 5.0
_TURN_S = 0.5
_Say = Callable[[str], None]


class Running(Protocol):
    """A service that runs; see `Host`."""

    def replace(self, offer: Offer) -> None:
        """Serve something else."""

    def check(self) -> None:
        """Refuse to go on where nothing can be served any more."""


def greet(offer: Offer, settings: HostSettings, *, example: Path, say: _Say) -> None:
    """Say what is served where, and how to ask it."""
    about, scheme = offer.about, offer.scheme
    say(f"serving   {about['serves']}: {about['model']} on {about['data']}")
    say(f"          {scheme.name}, K = {scheme.queries}, {scheme.workers} workers; {about['rule']}")
    say(f"at        {settings.url}/predict, and /healthz, /status")
    if settings.metrics_port is not None and settings.is_local:
        say(f"metrics   http://127.0.0.1:{settings.metrics_port}/metrics")
    say("ask it    " + curl_line(settings.url, example))
    say("Ctrl-C stops it.")


def curl_line(url: str, example: Path) -> str:
    """Return what asks a service a query that lies in a `.npy` file, for somebody to type."""
    words = ["curl", "--data-binary", f"@{example}", "-H", "Content-Type: application/x-npy", f"{url}/predict"]
    return shlex.join(words)


@dataclass(frozen=True, kw_only=True, eq=False)
class Watch:
    """Looks again and again what is to be served. What cannot be read or served is told once, and the old goes on.

    Attributes:
        running: The service.
        source: Says what is to be served.
        offering: Makes an offer of it.
        say: Told of every change, and of what went wrong.
        look_s: How often it looks.
    """

    running: Running
    source: Source
    offering: Offering
    say: _Say
    look_s: float = _LOOK_S

    def run(self, served: str, hurry: threading.Event) -> None:
        """Look until it is interrupted.

        Args:
            served: The key of what is served now.
            hurry: Set by whoever wants it to look at once.

        Raises:
            ServiceError: If the service has ended.
        """
        known, complaint = served, ""
        while True:
            _wait(hurry, self.look_s)
            self.running.check()
            try:
                key = self.source.key()
                if key != known:
                    known = key
                    self._replace()
                complaint = ""
            except NerccTuneError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    self.say(f"{complaint}; what is served goes on")

    def _replace(self) -> None:
        found = self.source.read()
        self.say(f"{found.title} is to be served; its workers are started")
        self.running.replace(self.offering.offer(found))
        self.say(f"serving   {found.title}")


def _wait(hurry: threading.Event, seconds: float) -> None:
    """Return after some seconds, or when it is asked for; a signal comes between two turns."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not hurry.wait(min(_TURN_S, seconds)):
        pass
    hurry.clear()
