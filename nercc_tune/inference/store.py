"""Worker outputs that were computed once, in memory and on a disk or an object store that processes share."""

from __future__ import annotations

import errno
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import fsspec
import torch
from fsspec.implementations.local import LocalFileSystem
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nercc_tune.errors import HomeError
from nercc_tune.home import replace_file
from nercc_tune.text.redaction import masked, without_password

_NAME = "outputs"
_REASONS = {
    errno.ENOSPC: "no space left on device; free some and launch again",
    errno.EDQUOT: "the quota of the disk is used up; free some and launch again",
    errno.EROFS: "the file system may only be read; name another folder",
    errno.EACCES: "permission denied; change the rights, or name another folder",
    errno.EPERM: "permission denied; change the rights, or name another folder",
}


class OutputStore:
    """Keeps tensors by key: the latest used up to a size in memory, all of them in a folder.

    In memory a tensor stays on the device it is on, until those there take more than a size of their own; then the one
    that was not used for longest moves to the CPU's memory. Files hold no device.

    The folder is a path, or an fsspec URL (`file:///…`, `s3://…`), and several processes may share it: what is read
    was written whole. Each file carries a checksum; a damaged one counts as absent, and is computed and written again.
    """

    def __init__(self, folder: Path | str | None, *, memory_mb: int, device_mb: int | None = None) -> None:
        """Open a store, which makes no folder yet.

        Args:
            folder: None for a store that is in memory only.
            memory_mb: How much is kept in the CPU's memory.
            device_mb: How much is kept on other devices beside that; by default as much.

        Raises:
            HomeError: If the URL is of an unknown kind, or the package that reads it is not installed.
        """
        self._files = None if folder is None else _open(folder)
        self._room = memory_mb * 2**20
        self._device_room = self._room if device_mb is None else device_mb * 2**20
        self._memory: OrderedDict[str, Tensor] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        """Whether there is a tensor of a key; that its file is whole is seen when it is read.

        Raises:
            HomeError: If the folder cannot be looked into.
        """
        return key in self._memory or (self._files is not None and self._files.has(_file_name(key)))

    def get(self, key: str, *, device: torch.device | None = None) -> Tensor | None:
        """Return the tensor of a key, or None where there is none or its file is damaged.

        Args:
            key: As it was put.
            device: Where it is wanted; by default where it is.

        Raises:
            HomeError: If there is a file that may not or cannot be read.
        """
        tensor = self._memory.get(key)
        if tensor is None:
            content = None if self._files is None else self._files.read(_file_name(key))
            tensor = None if content is None else _unpack(content)
        if tensor is None:
            return None
        tensor = tensor if device is None else tensor.to(device)
        self._remember(key, tensor)
        return tensor

    def put(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor under a key.

        Raises:
            HomeError: If its file cannot be written, for want of space or rights; no part of it is left.
        """
        self._remember(key, tensor)
        if self._files is not None:
            self._files.write(_file_name(key), _pack(tensor))

    def _remember(self, key: str, tensor: Tensor) -> None:
        self._memory[key] = tensor
        self._memory.move_to_end(key)
        for older in self._too_many(self._device_room, is_cpu=False):
            self._memory[older] = self._memory[older].cpu()
        for older in self._too_many(self._room, is_cpu=True):
            del self._memory[older]

    def _too_many(self, room: int, *, is_cpu: bool) -> list[str]:
        """Return the keys of the tensors at one place that have no room there, but never the latest used of all."""
        there = [key for key, tensor in self._memory.items() if (tensor.device.type == "cpu") == is_cpu]
        taken = sum(_bytes(self._memory[key]) for key in there)
        latest, over = next(reversed(self._memory)), []
        for key in there:
            if taken <= room or key == latest:
                break
            taken -= _bytes(self._memory[key])
            over.append(key)
        return over


def tensor_key(*parts: str | Tensor) -> str:
    """Return a SHA-256 over texts and the bytes of tensors."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part.contiguous().cpu().numpy().tobytes()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


class _Files(Protocol):
    """Where whole files are kept by name."""

    def has(self, name: str) -> bool:
        """Whether there is a file."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file; whoever reads meanwhile gets the old content or the new."""


class _Folder:
    """A folder of a local file system, or one that is mounted like it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, name: str) -> bool:
        with self._translated("read"):
            return (self._root / name).is_file()

    def read(self, name: str) -> bytes | None:
        with self._translated("read"):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        with self._translated("written"):
            replace_file(self._root / name, content)

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HomeError(f"outputs cannot be {done} in {self._root}: {_reason(error)}") from error


class _Remote:
    """A folder of a file system that fsspec knows and that puts each file whole, as object stores do."""

    def __init__(self, system: fsspec.AbstractFileSystem, root: str, *, url: str) -> None:
        self._system = system
        self._root = root.rstrip("/")
        self._url = url

    def has(self, name: str) -> bool:
        with self._translated("read"):
            return bool(self._system.isfile(f"{self._root}/{name}"))

    def read(self, name: str) -> bytes | None:
        with self._translated("read"):
            try:
                return bytes(self._system.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        with self._translated("written"):
            try:
                self._system.pipe_file(path, content)
            except FileNotFoundError:  # it has folders, which an object store has not
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._system.pipe_file(path, content)

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        with _driver_errors(self._url, f"outputs cannot be {done} in"):
            yield


def _open(folder: Path | str) -> _Files:
    if isinstance(folder, Path):
        return _Folder(folder)
    with _driver_errors(folder, "outputs cannot be kept in"):
        system, root = fsspec.url_to_fs(folder)
    return _Folder(Path(root)) if isinstance(system, LocalFileSystem) else _Remote(system, str(root), url=folder)


@contextmanager
def _driver_errors(url: str, what: str) -> Iterator[None]:
    """Raise what a driver of fsspec raises inside the block as one line, without the password of the URL."""
    where = f"{what} {masked(url)}"
    try:
        yield
    except ImportError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ImportError) else error.name
        raise HomeError(f"{where}: its package is not installed; `pip install {missing}`") from None
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own, many of them no OSError
        raise HomeError(f"{where}: {without_password(_reason(error), url)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _REASONS:
        return _REASONS[error.errno]
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said.strip().splitlines()[0] if said.strip() else type(error).__name__


def _file_name(key: str) -> str:
    return f"{key[:2]}/{key}.outputs"


def _pack(tensor: Tensor) -> bytes:
    payload = save({_NAME: tensor.cpu().contiguous()})
    return hashlib.sha256(payload).digest() + payload


def _unpack(content: bytes) -> Tensor | None:
    checksum, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != checksum:
        return None
    try:
        return load(payload)[_NAME]
    except (SafetensorError, KeyError):
        return None


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
