"""Whole files by name, in a folder or an object store that processes and hosts share."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from nercc_tune.errors import HomeError
from nercc_tune.home import replace_file
from nercc_tune.text.redaction import masked, without_password

__all__ = ["Files", "open_files"]

_REASONS = {
    errno.ENOSPC: "no space left on device; free some and launch again",
    errno.EDQUOT: "the quota of the disk is used up; free some and launch again",
    errno.EROFS: "the file system may only be read; name another folder",
    errno.EACCES: "permission denied; change the rights, or name another folder",
    errno.EPERM: "permission denied; change the rights, or name another folder",
}


class Files(Protocol):
    """Where whole files are kept by name."""

    def has(self, name: str) -> bool:
        """Whether there is a file."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file; whoever reads meanwhile gets the old content or the new."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there, and what was left of attempts to write it that were killed."""


class _Folder:
    """A folder of a local file system, or one that is mounted like it."""

    def __init__(self, root: Path, *, what: str) -> None:
        self._root = root
        self._what = what

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

    def remove(self, name: str) -> None:
        path = self._root / name
        with self._translated("removed"):
            for each in (path, *path.parent.glob(f".{path.name}.*.partial")):
                each.unlink(missing_ok=True)

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HomeError(f"{self._what} cannot be {done} in {self._root}: {_reason(error)}") from error


class _Remote:
    """A folder of a file system that fsspec knows and that puts each file whole, as object stores do."""

    def __init__(self, system: fsspec.AbstractFileSystem, root: str, *, url: str, what: str) -> None:
        self._system = system
        self._root = root.rstrip("/")
        self._url = url
        self._what = what

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

    def remove(self, name: str) -> None:
        with self._translated("removed"), suppress(FileNotFoundError):
            self._system.rm_file(f"{self._root}/{name}")

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        with _driver_errors(self._url, f"{self._what} cannot be {done} in"):
            yield


def open_files(folder: Path | str, *, what: str) -> Files:
    """Open a folder, which is made when the first file is written.

    Args:
        folder: A path, or an fsspec URL (`file:///…`, `s3://…`).
        what: What is kept there, for messages.

    Raises:
        HomeError: If the URL is of an unknown kind, or the package that reads it is not installed.
    """
    if isinstance(folder, Path):
        return _Folder(folder, what=what)
    with _driver_errors(folder, f"{what} cannot be kept in"):
        system, root = fsspec.url_to_fs(folder)
    if isinstance(system, LocalFileSystem):
        return _Folder(Path(root), what=what)
    return _Remote(system, str(root), url=folder, what=what)


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
