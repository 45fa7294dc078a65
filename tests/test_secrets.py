"""No password of a store is found anywhere but in the environment that it came from."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests.faults.operation import Operation
from tests.services.postgres import Postgres

pytestmark = pytest.mark.slow

ROLE = "keeper"
# Every library logs all that it ever would: statements with their parameters, connections, requests.
CHATTER = """
import logging
logging.basicConfig(level=logging.DEBUG)
for name in ("sqlalchemy.engine", "sqlalchemy.pool", "alembic", "mlflow", "optuna", "psycopg", "urllib3"):
    logging.getLogger(name).setLevel(logging.DEBUG)
"""


@dataclass(kw_only=True)
class Guarded:
    """A study on a server whose role has a password with letters that URLs must quote.

    Attributes:
        core: The part of the password that every way of quoting leaves as it is.
        printed: All that was printed.
        seen: All command lines of processes that were seen while commands ran.
    """

    study: Operation
    core: str
    storage: str
    tracking: str
    printed: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *arguments: str, expected: int = 0, **environment: str) -> str:
        """Run a command to its end while looking at the processes; return what it printed."""
        process = self.start(*arguments, **environment)
        while process.poll() is None:
            self.seen.update(_command_lines(process.pid))
            time.sleep(0.1)
        return self.ended(process, expected=expected)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        faults, here = Path(__file__).parent / "faults", self.study.folder
        environment = {
            **os.environ,
            "PYTHONPATH": f"{here}:{faults}",
            "NERCC_TUNE_HOME": str(self.study.home.root),
            "NERCC_TUNE_STORAGE": self.storage,
            "NERCC_TUNE_TRACKING": self.tracking,
            "NERCC_TEST_SECONDS": "0.2",
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        command = [sys.executable, "-m", "nercc_tune.cli", *arguments]
        with (here / "printed").open("wb") as printed:
            process = subprocess.Popen(  # noqa: S603 - our own command
                command, env=environment, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def ended(self, process: subprocess.Popen[bytes], *, expected: int) -> str:
        process.wait(timeout=180)
        shown = (self.study.folder / "printed").read_text(encoding="utf-8", errors="replace")
        self.printed.append(shown)
        assert process.returncode == expected, shown[-3000:]
        return shown

    def rows(self) -> Iterator[str]:
        """Return all rows of all tables of both databases as text, with the names of their tables."""
        for url in (self.storage, self.tracking):
            with psycopg.connect(url.replace("+psycopg", "")) as connection:
                names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                for (name,) in names:
                    table = sql.Identifier(str(name))
                    for (row,) in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(table)):
                        yield f"{name} {row}"

    def files(self) -> Iterator[tuple[str, bytes]]:
        for path in self.study.home.root.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(self.study.home.root)), path.read_bytes()

    def holds(self, text: str | bytes) -> bool:
        content = text if isinstance(text, bytes) else text.encode()
        return any(form in content for form in (self.core.encode(), self.core.encode().hex().encode()))


@pytest.fixture
def guarded(postgres: Postgres, tmp_path: Path) -> Iterator[Guarded]:
    core = secrets.token_hex(8)
    password = f"p@ss/w:{core}+%?"
    postgres.execute(
        sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password))
    )
    storage, tracking = (
        make_url(postgres.new_database()).set(username=ROLE, password=password).render_as_string(hide_password=False)
        for _ in range(2)
    )
    study = Operation(folder=tmp_path / "study", trials=10)
    (study.folder / "sitecustomize.py").write_text(CHATTER, encoding="utf-8")
    found = Guarded(study=study, core=core, storage=storage, tracking=tracking)
    yield found
    found.close()
    for url in (storage, tracking):
        name = sql.Identifier(str(make_url(url).database))
        postgres.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    postgres.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(ROLE)))


def _command_lines(group: int) -> Iterator[str]:
    """Return the command lines of all processes in a group."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    yield (entry / "cmdline").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue


def _interrupt(guarded: Guarded, *launch: str) -> None:
    """Press Ctrl-C in the middle of a launch."""
    process = guarded.start(*launch, NERCC_TEST_SECONDS="3")  # so that it is in the middle for long
    printed = guarded.study.folder / "printed"
    latest = time.monotonic() + 180
    while b"searching with" not in printed.read_bytes():
        assert time.monotonic() < latest, printed.read_text(encoding="utf-8")[-3000:]
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert "interrupted" in guarded.ended(process, expected=130)


def test_no_password_is_left_anywhere(guarded: Guarded) -> None:
    launch = ("launch", str(guarded.study.file), "--allow-code", "--workers", "2")
    _interrupt(guarded, *launch)
    shown = guarded.run(*launch)
    assert "DEBUG" in shown
    assert "INSERT INTO" in shown  # the libraries do talk
    assert f"user={ROLE}" in shown
    shown = guarded.run("sync", "faulty")
    assert "faulty: added 0 runs" in shown
    guarded.run("export", "faulty", "-o", str(guarded.study.home.root / "exported.json"))
    guarded.run("report", "faulty")
    assert f"postgresql+psycopg://{ROLE}:***@127.0.0.1" in guarded.run("doctor")
    wrong = guarded.storage.replace(quote("+%?", safe="+"), "x")
    assert wrong != guarded.storage
    for command in (launch, ("sync", "faulty")):
        shown = guarded.run(*command, expected=2, NERCC_TUNE_STORAGE=wrong)
        assert "password authentication failed" in shown
    wrong = guarded.tracking.replace(quote("+%?", safe="+"), "x")
    guarded.run("sync", "faulty", expected=2, NERCC_TUNE_TRACKING=wrong)
    guarded.run("doctor", expected=1, NERCC_TUNE_STORAGE=wrong, NERCC_TUNE_TRACKING=wrong)

    assert [line for text in guarded.printed for line in text.splitlines() if guarded.holds(line)] == []
    assert any("forkserver" in line for line in guarded.seen)
    assert [line for line in guarded.seen if guarded.holds(line)] == []
    files = dict(guarded.files())
    assert {"exported.json", "studies/faulty/table.json", "studies/faulty/study.json"} <= set(files)
    assert any(name.startswith("mlartifacts/") for name in files)
    assert [name for name, content in files.items() if guarded.holds(content)] == []
    rows = list(guarded.rows())
    assert {"trials", "studies", "runs", "tags", "params"} <= {row.partition(" ")[0] for row in rows}
    assert [row for row in rows if guarded.holds(row)] == []
