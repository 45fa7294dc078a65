from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
import torch

from nercc_tune.errors import HomeError
from nercc_tune.inference import OutputStore, tensor_key
from nercc_tune.inference.kept_files import open_files

KEYS = [tensor_key(str(number)) for number in range(4)]
QUARTER_MB = 2**16  # in float32


def _quarters(count: int, *, value: float = 0.0) -> torch.Tensor:
    return torch.full((count, QUARTER_MB), value)


def _file(folder: Path) -> Path:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


def test_what_was_put_is_there() -> None:
    store = OutputStore(None, memory_mb=1)
    assert store.get(KEYS[0]) is None
    store.put(KEYS[0], torch.arange(3))
    found = store.get(KEYS[0])
    assert found is not None
    assert found.tolist() == [0, 1, 2]


def test_memory_keeps_the_latest_used() -> None:
    store = OutputStore(None, memory_mb=1)
    for key in KEYS[:2]:
        store.put(key, _quarters(2))
    store.get(KEYS[0])
    store.put(KEYS[2], _quarters(2))
    assert [store.get(key) is not None for key in KEYS[:3]] == [True, False, True]


def test_memory_holds_exactly_its_size() -> None:
    store = OutputStore(None, memory_mb=1)
    for key in KEYS:
        store.put(key, _quarters(1))
    assert all(store.get(key) is not None for key in KEYS)
    store.put(tensor_key("one more"), torch.zeros(1))
    assert store.get(KEYS[0]) is None


def test_putting_a_key_again_replaces_it() -> None:
    store = OutputStore(None, memory_mb=1)
    store.put(KEYS[0], _quarters(3))
    store.put(KEYS[0], _quarters(3, value=1.0))
    store.put(KEYS[1], _quarters(1))
    found = store.get(KEYS[0])
    assert found is not None
    assert bool((found == 1).all())


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_one_that_is_too_large_is_kept_until_the_next(memory_mb: int) -> None:
    store = OutputStore(None, memory_mb=memory_mb)
    store.put(KEYS[0], _quarters(8))
    assert store.get(KEYS[0]) is not None
    store.put(KEYS[1], torch.zeros(1))
    assert store.get(KEYS[0]) is None
    assert store.get(KEYS[1]) is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_another_store_on_the_same_folder_finds_it(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    OutputStore(tmp_path / "new" / "folder", memory_mb=1).put(KEYS[0], tensor.transpose(0, 1))
    found = OutputStore(tmp_path / "new" / "folder", memory_mb=1).get(KEYS[0])
    assert found is not None
    assert found.dtype == dtype
    assert torch.equal(found, tensor.transpose(0, 1))


def test_what_left_the_memory_is_read_back(tmp_path: Path) -> None:
    store = OutputStore(tmp_path, memory_mb=0)
    for number, key in enumerate(KEYS):
        store.put(key, torch.full((3,), float(number)))
    for number, key in enumerate(KEYS):
        found = store.get(key)
        assert found is not None
        assert found.tolist() == [number] * 3


def test_what_was_read_stays_in_memory(tmp_path: Path) -> None:
    OutputStore(tmp_path, memory_mb=1).put(KEYS[0], torch.ones(3))
    store = OutputStore(tmp_path, memory_mb=1)
    first = store.get(KEYS[0])
    _file(tmp_path).unlink()
    assert first is not None
    assert store.get(KEYS[0]) is first


def test_nothing_partial_is_left(tmp_path: Path) -> None:
    store = OutputStore(tmp_path, memory_mb=1)
    for key in KEYS:
        store.put(key, torch.ones(3))
        store.put(key, torch.zeros(3))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == sorted(f"{key[:2]}/{key}.outputs" for key in KEYS)


@pytest.mark.parametrize("where", [0, 20, 31, 32, 40, 100, -1])
def test_a_file_with_one_wrong_bit_counts_as_absent(tmp_path: Path, where: int) -> None:
    OutputStore(tmp_path, memory_mb=1).put(KEYS[0], torch.ones(30))
    content = bytearray(_file(tmp_path).read_bytes())
    content[where] ^= 1
    _file(tmp_path).write_bytes(content)
    assert OutputStore(tmp_path, memory_mb=1).get(KEYS[0]) is None


@pytest.mark.parametrize("kept", [0, 10, 32, 60, -1])
def test_a_file_cut_short_counts_as_absent_and_is_mended_by_the_next_put(tmp_path: Path, kept: int) -> None:
    OutputStore(tmp_path, memory_mb=1).put(KEYS[0], torch.ones(30))
    _file(tmp_path).write_bytes(_file(tmp_path).read_bytes()[:kept])
    store = OutputStore(tmp_path, memory_mb=1)
    assert store.get(KEYS[0]) is None
    store.put(KEYS[0], torch.ones(30))
    assert OutputStore(tmp_path, memory_mb=1).get(KEYS[0]) is not None


def test_a_write_that_did_not_finish_is_never_seen(tmp_path: Path) -> None:
    OutputStore(tmp_path, memory_mb=1).put(KEYS[0], torch.ones(30))
    file = _file(tmp_path)
    file.rename(file.with_suffix(".123.partial"))
    assert OutputStore(tmp_path, memory_mb=1).get(KEYS[0]) is None


def test_keys_tell_texts_and_contents_apart() -> None:
    eye = torch.eye(3, dtype=torch.float64)
    changed = eye.clone()
    changed[2, 2] = 1 + 2.0**-52
    keys = [
        tensor_key("ab", "c"),
        tensor_key("a", "bc"),
        tensor_key("abc"),
        tensor_key("c", "ab"),
        tensor_key("a", eye),
        tensor_key("a", changed),
        tensor_key(eye, "a"),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 for key in keys)


def test_keys_do_not_depend_on_how_a_tensor_lies_in_memory() -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    assert tensor_key(tensor.mT) == tensor_key(tensor.mT.contiguous()) != tensor_key(tensor)


def test_a_url_of_a_local_folder_is_that_folder(tmp_path: Path) -> None:
    OutputStore(f"file://{tmp_path}/shared", memory_mb=1).put(KEYS[0], torch.arange(3))
    found = OutputStore(tmp_path / "shared", memory_mb=1).get(KEYS[0])
    assert found is not None
    assert found.tolist() == [0, 1, 2]


def test_a_file_system_of_fsspec_keeps_the_same_files(tmp_path: Path) -> None:
    url = f"memory://nercc-tune/{tmp_path.name}"
    OutputStore(url, memory_mb=1).put(KEYS[0], torch.arange(3))
    OutputStore(tmp_path, memory_mb=1).put(KEYS[0], torch.arange(3))
    system, root = fsspec.url_to_fs(url)
    name = f"{KEYS[0][:2]}/{KEYS[0]}.outputs"
    assert system.cat_file(f"{root}/{name}") == (tmp_path / name).read_bytes()
    store = OutputStore(url, memory_mb=1)
    assert store.get(KEYS[1]) is None
    found = store.get(KEYS[0])
    assert found is not None
    assert found.tolist() == [0, 1, 2]


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole[:-1] + b"\1", lambda _: b""])
def test_what_is_damaged_on_a_file_system_of_fsspec_is_mended_by_the_next_put(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    url = f"memory://nercc-tune/{tmp_path.name}"
    OutputStore(url, memory_mb=1).put(KEYS[0], torch.ones(30))
    system, root = fsspec.url_to_fs(url)
    path = f"{root}/{KEYS[0][:2]}/{KEYS[0]}.outputs"
    system.pipe_file(path, damage(system.cat_file(path)))
    store = OutputStore(url, memory_mb=1)
    assert store.get(KEYS[0]) is None
    store.put(KEYS[0], torch.ones(30))
    assert OutputStore(url, memory_mb=1).get(KEYS[0]) is not None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://ann:secret@bucket/x", r"s3://ann:\*\*\*@bucket/x: its package is not installed; `pip install s3fs`$"),
        ("nosuch://ann:secret@host/x", r"nosuch://ann:\*\*\*@host/x: Protocol not known: nosuch$"),
    ],
)
def test_a_url_that_cannot_be_opened_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, message: str) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(HomeError, match=f"^outputs cannot be kept in {message}"):
        OutputStore(url, memory_mb=1)


def test_removing_a_file_removes_what_killed_writers_left_of_it(tmp_path: Path) -> None:
    files = open_files(tmp_path, what="networks")
    files.write("a/one", b"1")
    files.write("a/other", b"2")
    (tmp_path / "a" / ".one.123.partial").write_bytes(b"half")
    (tmp_path / "a" / ".other.123.partial").write_bytes(b"half")
    files.remove("a/one")
    files.remove("a/never-there")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [".other.123.partial", "other"]
