from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest

from nercc_tune.dashboard import Service
from nercc_tune.errors import DashboardError
from tests.services.postgres import free_port

_SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]


def _service(port: int, *, code: str | None = None, patience_s: float = 30.0) -> Service:
    command = [*_SERVER, str(port)] if code is None else [sys.executable, "-c", code]
    return Service(name="a server", command=command, port=port, health="/", patience_s=patience_s)


def test_it_answers_inside_and_is_gone_afterwards() -> None:
    port = free_port()
    with _service(port) as service:
        service.wait_until_ready()
        service.check()
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """As MLflow's server does: its own child does not listen to the polite signal."""
    noted = tmp_path / "child"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', "
        "'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)'])\n"
        f"open({str(noted)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    with _service(free_port(), code=code):
        deadline = time.monotonic() + 30
        while not noted.exists() or not noted.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    child = int(noted.read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the child outlived the service"
        time.sleep(0.05)


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        message = f"port {port} for a server cannot be had .*; end what listens there, or choose another --port"
        with pytest.raises(DashboardError, match=message), _service(port):
            pass


def test_a_server_that_ends_says_why_without_passwords() -> None:
    code = "raise SystemExit('cannot open postgresql://ann:secret@db/mlflow')"
    with _service(free_port(), code=code) as service:
        with pytest.raises(DashboardError, match=r"a server has ended; it said: .*cannot open") as caught:
            service.wait_until_ready()
        assert "secret" not in str(caught.value)


def test_a_server_that_is_silent_is_given_up() -> None:
    with (
        _service(free_port(), code="import time; time.sleep(600)", patience_s=0.5) as service,
        pytest.raises(DashboardError, match=r"did not answer within 0\.5 s; it said: nothing"),
    ):
        service.wait_until_ready()


def test_secrets_are_not_in_its_command_line() -> None:
    code = "import time; time.sleep(600)"
    service = Service(
        name="a server",
        command=[sys.executable, "-c", code],
        port=free_port(),
        health="/",
        environment={"NERCC_TEST_SECRET": "secret"},
    )
    with service:
        shown = b"".join(
            (process / "cmdline").read_bytes()
            for process in Path("/proc").iterdir()
            if process.name.isdigit() and (process / "cmdline").exists()
        )
    assert b"NERCC_TEST_SECRET" not in shown
