"""A real MLflow server in a process of its own, which can be stopped, started again, stalled and continued.

Elsewhere: `from tests.services.mlflow_server import mlflow_server as mlflow_server` in a `conftest.py`. The server is
one for the whole session, so a test brings a study of its own name, and calls `start` first, which does nothing where
the server answers.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nercc_tune.tracking.store import open_client

_START_S = 150.0
"""MLflow alone takes half a minute on a busy machine."""

_STOP_S = 10.0
_POLL_S = 0.1


class MlflowServer:
    """An MLflow server over an SQLite database, on a port that stays the same.

    Args:
        folder: For the database, the artifacts and the server's own log.
    """

    def __init__(self, folder: Path) -> None:
        self.database = f"sqlite:///{folder}/mlflow.db"
        self.folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        open_client(self.database, folder / "artifacts")  # its tables; the server itself would take longer

    @property
    def url(self) -> str:
        """Where clients find the server."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server if it does not run, and wait until it answers.

        Raises:
            RuntimeError: If it ends instead, or does not answer in time.
        """
        if self._process is None:
            self._process = self._launch()
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the MLflow server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End the server and its children; connections are refused from then on."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGCONT, signal.SIGTERM):
            _signal(process, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        _signal(process, signal.SIGKILL)
        process.wait(_STOP_S)

    def pause(self) -> None:
        """Stall the server: it accepts connections and answers none."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue a stalled server, which then answers what it was asked meanwhile."""
        self._send(signal.SIGCONT)

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own command
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:  # noqa: S310 - our own server
                return int(answer.status) == 200
        except OSError:
            return False

    def _send(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the MLflow server does not run.")
        _signal(self._process, number)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """Return a server that answers, and end it with the session."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow-server"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process and its children, which are its group, unless all are gone."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
