"""What an output store does where its folder is shared, full or closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from nercc_tune.errors import HomeError
from nercc_tune.inference import OutputStore, tensor_key

KEYS = [tensor_key(str(number)) for number in range(3)]


def _file(folder: Path) -> Path:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = OutputStore(tmp_path / "file", memory_mb=1)
    with pytest.raises(HomeError, match=r"^outputs cannot be written in .*file: .+$"):
        store.put(KEYS[0], torch.ones(3))


@pytest.mark.parametrize("of", [Path, lambda path: f"file://{path}"], ids=["path", "url"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, of: Callable[[Path], Path | str]) -> None:
    (tmp_path / KEYS[0][:2] / f"{KEYS[0]}.outputs").mkdir(parents=True)
    with pytest.raises(HomeError, match=r"^outputs cannot be read in .*: Is a directory$"):
        OutputStore(of(tmp_path), memory_mb=1).get(KEYS[0])


def test_a_folder_without_rights_is_told(tmp_path: Path) -> None:
    store = OutputStore(tmp_path / "closed", memory_mb=0)
    store.put(KEYS[0], torch.ones(3))
    with _without_rights(tmp_path / "closed"):
        with pytest.raises(
            HomeError, match=r"^outputs cannot be read in .*closed: permission denied; change the rights"
        ):
            OutputStore(tmp_path / "closed", memory_mb=1).get(KEYS[0])
        with pytest.raises(HomeError, match=r"^outputs cannot be written in .*closed: permission denied; change the"):
            store.put(KEYS[1], torch.ones(3))


@contextmanager
def _without_rights(folder: Path) -> Iterator[None]:
    """Take the rights in a folder away; root, whom none are refused, is `nobody` meanwhile."""
    folder.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_full_disk_is_told_and_nothing_partial_is_left(small_disk: Path) -> None:
    store = OutputStore(small_disk, memory_mb=1)
    store.put(KEYS[0], torch.ones(30))
    with pytest.raises(HomeError, match=rf"^outputs cannot be written in {small_disk}: {_FULL}") as refused:
        store.put(KEYS[1], torch.zeros(2**19))
    assert "\n" not in str(refused.value)
    assert _file(small_disk).name == f"{KEYS[0]}.outputs"
    store.put(KEYS[2], torch.ones(30))
    assert OutputStore(small_disk, memory_mb=1).get(KEYS[2]) is not None


_FULL = "no space left on device; free some and launch again$"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("no mount command")
    command: list[str | Path] = [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    made = subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - of the system
    if made.returncode != 0:
        pytest.skip(f"mounting is not allowed: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run([unmount, folder], check=True)  # noqa: S603 - of the system


_SHARING = """
import sys, torch
from nercc_tune.inference.store import OutputStore, tensor_key
store = OutputStore(sys.argv[1], memory_mb=0)
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    for number in range(8):
        key = tensor_key(str(number))
        store.put(key, torch.full((50_000,), float(number)))
        found = OutputStore(sys.argv[1], memory_mb=0).get(key)
        assert found is not None and bool((found == number).all()), key
"""


def _start(folder: Path, turns: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _SHARING, f"file://{folder}", str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - of this package


@pytest.mark.slow
def test_processes_share_a_folder_and_read_only_what_is_whole(tmp_path: Path) -> None:
    running = [_start(tmp_path, 20) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == [b"ready\n"] * 2
    assert [process.returncode for process in running] == [0, 0]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 8


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_nothing_half_that_is_read(tmp_path: Path) -> None:
    process = _start(tmp_path, 10**6)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"ready\n"
        time.sleep(0.3)
        process.kill()
        process.wait()
    store = OutputStore(tmp_path, memory_mb=0)
    for number in range(8):
        found = store.get(tensor_key(str(number)))
        assert found is None or bool((found == number).all())
    assert list(tmp_path.rglob("*.outputs"))
