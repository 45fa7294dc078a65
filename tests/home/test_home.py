from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nercc_tune.errors import HomeError
from nercc_tune.home import Home, write_whole

_HOLD = """
import sys
from pathlib import Path
from nercc_tune.home import Home
with Home(Path(sys.argv[1])).locked("tiny"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_everything_lies_below_the_root(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.storage_url == f"sqlite:///{tmp_path}/home/optuna.db"
    assert home.tracking_url == f"sqlite:///{tmp_path}/home/mlflow.db"
    for place in (home.artifacts, home.outputs, home.data, home.study("a")):
        assert place.is_relative_to(home.root)
    assert not home.has_storage
    assert not home.root.exists()


def test_urls_do_not_depend_on_the_working_directory_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home(Path("home")).storage_url == f"sqlite:///{tmp_path}/home/optuna.db"


def test_one_process_at_a_time_holds_a_study(tmp_path: Path) -> None:
    home = Home(tmp_path)
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:  # noqa: S603 - this Python
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(
                HomeError, match=rf"study `tiny` is being launched by process {other.pid} on .* another --home"
            ),
            home.locked("tiny"),
        ):
            pass
        with pytest.raises(HomeError, match=rf"is being launched by process {other.pid} on "):
            home.check_free("tiny")
        home.check_free("another")
        with home.locked("another"):
            pass
        other.communicate("\n")
    home.check_free("tiny")
    with home.locked("tiny"):
        pass


def test_a_study_is_released_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with Home(tmp_path).locked("tiny"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with Home(tmp_path).locked("tiny"):
        pass


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "file", b"one")
    write_whole(tmp_path / "new" / "file", b"two")
    assert (tmp_path / "new" / "file").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
