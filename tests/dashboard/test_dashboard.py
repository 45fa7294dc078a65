from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nercc_tune.dashboard import Dashboard
from nercc_tune.errors import DashboardError, TrackingError
from nercc_tune.home import Home
from tests.program import run_program
from tests.services.postgres import free_port


def _dashboard(folder: Path, *, port: int, tracking: str | None = None, is_mlflow_only: bool = False) -> Dashboard:
    home = Home(folder / "home")
    return Dashboard(
        home=home,
        storage=home.storage_url,
        tracking=tracking or home.tracking_url,
        port=port,
        is_mlflow_only=is_mlflow_only,
    )


@pytest.mark.parametrize("offset", [0, 1])
def test_either_port_that_is_taken_is_named_and_nothing_is_made(tmp_path: Path, offset: int) -> None:
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port + offset))
        listener.listen()
        what = ("MLflow", "the λ explorer")[offset]
        with pytest.raises(DashboardError, match=f"port {port + offset} for {what} cannot be had"):
            _dashboard(tmp_path, port=port).check()
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_started_needs_a_port(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port + 1))
        listener.listen()
        _dashboard(tmp_path, port=port, is_mlflow_only=True).check()


def test_a_server_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="cannot be reached"):
        _dashboard(tmp_path, port=free_port(), tracking=f"http://127.0.0.1:{free_port()}").check()


@pytest.mark.parametrize("port", [0, 65535])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(DashboardError, match=f"`--port` must be from 1 to 65534, but got {port}"):
        _dashboard(tmp_path, port=port).check()


def test_without_streamlit_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DashboardError, match=r'pip install "nercc-tune\[dashboard\]", or give --mlflow-only'):
        _dashboard(tmp_path, port=free_port()).check()
    _dashboard(tmp_path, port=free_port(), is_mlflow_only=True).check()


def test_the_command_says_a_taken_port_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        assert run_program(monkeypatch, "dashboard", "--home", str(tmp_path / "home"), "--port", port) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert "choose another --port" in shown.err
    assert not (tmp_path / "home").exists()
