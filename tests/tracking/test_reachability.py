from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import optuna
import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.text.redaction import redact
from nercc_tune.tracking.projection import Projection
from nercc_tune.tracking.reachability import check_tracking, sqlite_path
from tests.fakes import tiny_home
from tests.tracking.conftest import Store


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(statuses: dict[str, int]) -> Iterator[tuple[str, list[str | None]]]:
    """Serve a status for each path, 404 for the others; yield the address and the authorizations that were sent."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(statuses.get(self.path.partition("?")[0], 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Be silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{served.server_port}", seen
        finally:
            served.shutdown()
            thread.join()


def refusal(url: str) -> str:
    """Return the line with which the quick check and the projection alike refuse a store, within seconds."""
    start = time.monotonic()
    with pytest.raises(TrackingError) as checked:
        check_tracking(url)
    with pytest.raises(TrackingError) as projected:
        Projection(url, None)
    assert time.monotonic() - start < 5
    assert str(projected.value) == str(checked.value)
    assert "\n" not in str(checked.value)
    return str(checked.value)


@pytest.mark.parametrize("scheme", ["http", "https", "postgresql", "mysql+pymysql"])
def test_a_server_that_is_not_there(scheme: str) -> None:
    message = refusal(f"{scheme}://ann:secret@127.0.0.1:{free_port()}")
    assert re.fullmatch(
        rf"the tracking store `{re.escape(scheme)}://ann:\*\*\*@127.0.0.1:\d+` cannot be reached \(.*refused\); "
        r"start it, or change the tracking URL\.",
        message,
    )


def test_a_server_that_never_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(TrackingError, match=r"cannot be reached \(timed out\)"):
            check_tracking(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        assert time.monotonic() - start < 1


def test_a_server_that_is_not_mlflow() -> None:
    with server({}) as (host, _):
        assert "does not answer as an MLflow server (HTTP 404)" in refusal(f"http://{host}")


@pytest.mark.parametrize("statuses", [{"/health": 200}, {"/health": 401}, {"/api/2.0/mlflow/experiments/search": 200}])
def test_a_server_that_answers(statuses: dict[str, int]) -> None:
    with server(statuses) as (host, seen):
        check_tracking(f"http://ann:s%40fe@{host}/")
    assert seen[-1] == "Basic YW5uOnNAZmU="


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
    assert "is not an SQLite database; move it away" in refusal(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_corrupt_database(store: Store) -> None:
    store.file.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)
    assert re.search(r"cannot be read \(.+\); move it away", refusal(store.url))


def test_the_database_of_optuna(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(storage=url)
    assert refusal(url).endswith("is a database of Optuna; give MLflow one of its own.")
    with closing(sqlite3.connect(tmp_path / "optuna.db")) as connection:
        assert connection.execute("SELECT count(*) FROM studies").fetchone() == (1,)


def test_the_database_of_another_program(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    assert "is a database of another program" in refusal(f"sqlite:///{tmp_path}/other.db")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    assert refusal(f"sqlite:///{tmp_path}").endswith("is a folder; give a file.")


def test_a_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    assert "is not a folder that may be written to" in refusal(f"sqlite:///{tmp_path}/home/mlflow.db")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_without_a_file(url: str) -> None:
    assert "must name a file, `sqlite:///FILE`" in refusal(url)


@pytest.mark.parametrize("url", ["mlruns", "file:///tmp/mlruns", "redis://ann:secret@host", ""])
def test_an_unknown_kind(url: str) -> None:
    assert "must be `sqlite:///FILE`, `http(s)://HOST` or a database's" in refusal(url)
    assert "secret" not in refusal(url)


def test_a_store_that_is_there_and_one_that_is_not_yet(store: Store, tmp_path: Path) -> None:
    check_tracking(store.url)
    check_tracking(f"{store.url}?timeout=30")
    check_tracking(f"sqlite:///{tmp_path}/new/home/mlflow.db")
    assert not (tmp_path / "new").exists()


def test_passwords_are_hidden() -> None:
    assert redact("http://a:b@c:1/d?token=e&f=g x://h:1/i j@k") == "http://a:***@c:1/d?token=***&f=g x://h:1/i j@k"
    assert redact("postgresql://ann:sec/ret@host/db") == "postgresql://ann:***@host/db"
    assert redact("mysql://ann:1/s@c@host:3306") == "mysql://ann:***@host:3306"


@pytest.mark.parametrize("scheme", ["http", "postgresql", "sqlite"])
def test_a_password_that_is_no_part_of_a_url_is_hidden(scheme: str) -> None:
    with pytest.raises(TrackingError, match="tracking") as raised:
        check_tracking(f"{scheme}://ann:sec/ret@127.0.0.1:{free_port()}")
    assert not re.search("sec|ret[^r]", str(raised.value))


def test_the_check_does_not_import_mlflow() -> None:
    code = (
        "import sys, nercc_tune.tracking.background, nercc_tune.tracking.reachability as r; "
        "r.check_tracking('sqlite:///absent.db'); sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own code


def test_checking_a_store_leaves_the_locks_of_those_who_read_it(tmp_path: Path) -> None:
    """Else a process that ends takes the log away from under them, and they see the past for ever."""
    home = tiny_home(tmp_path)
    path = sqlite_path(home.tracking_url)
    insert = "c.execute('INSERT INTO seen VALUES (?)', [int(sys.argv[2])])"
    write = f"import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); {insert}; c.commit(); c.close()"
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("CREATE TABLE seen (number INTEGER)")
        reader.commit()
        for number in range(3):
            check_tracking(home.tracking_url)
            command = [sys.executable, "-c", write, str(path), str(number)]
            subprocess.run(command, check=True)  # noqa: S603 - a fixed program
            assert reader.execute("SELECT max(number) FROM seen").fetchone() == (number,)
