"""A web server that runs as a child process: started, waited for, and ended with all that it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Self

from nercc_tune.errors import DashboardError
from nercc_tune.text.redaction import redact

HOST = "127.0.0.1"
_POLL_S = 0.2
_STOP_S = 10.0
_TAIL_LINES = 3


@dataclass(kw_only=True, eq=False)
class Service:
    """A server on a port of loopback.

    Use it as a context manager: at the end of the block it and its children are gone.

    Attributes:
        name: What it is called in messages.
        command: What is run.
        port: Where it listens.
        health: Path that answers with 200 once it is ready.
        environment: What is added to this process's environment; secrets belong here, not into the command.
        patience_s: How long it may take to be ready.
    """

    name: str
    command: Sequence[str]
    port: int
    health: str
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 180.0
    _log: IO[bytes] | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        check_free(self.port, self.name)
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*self.command],
            env={**os.environ, **self.environment},
            cwd=tempfile.gettempdir(),  # nothing of what it leaves beside itself lands in the user's folder
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which then ends it in good order
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._end(self._process)
        if self._log is not None:
            self._log.close()
        self._process = self._log = None

    def wait_until_ready(self) -> None:
        """Return once it answers.

        Raises:
            DashboardError: If it ends before, or does not answer in time.
        """
        deadline = time.monotonic() + self.patience_s
        while not self._answers():
            self.check()
            if time.monotonic() > deadline:
                raise DashboardError(f"{self.name} did not answer within {self.patience_s:g} s; {self._last_words()}")
            time.sleep(_POLL_S)

    def check(self) -> None:
        """Refuse to go on without it.

        Raises:
            DashboardError: If it has ended.
        """
        if self._process is None or self._process.poll() is not None:
            raise DashboardError(f"{self.name} has ended; {self._last_words()}")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.health, timeout=2) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except OSError:
            return False

    def _last_words(self) -> str:
        """Return the end of its log in one line, without passwords."""
        if self._log is None:
            return "it was not started"
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return f"it said: {redact(' | '.join(lines[-_TAIL_LINES:])) or 'nothing'}"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        _signal_group(process, signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal_group(process, signal.SIGKILL)  # also what it started and did not end
            process.wait()


def check_free(port: int, name: str) -> None:
    """Refuse a port that somebody else listens on.

    Raises:
        DashboardError: If the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise DashboardError(
                f"port {port} for {name} cannot be had ({error}); end what listens there, or choose another --port."
            ) from error


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
