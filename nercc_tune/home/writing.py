"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from nercc_tune.errors import HomeError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, never a part: aside, flushed, renamed.

    Raises:
        HomeError: If the disk is full, or the folder does not allow it; nothing is left of the attempt.
    """
    try:
        replace_file(path, content)
        _flush_folder(path.parent)
    except OSError as error:
        raise HomeError(f"`{path}` cannot be written: {error.strerror}; free some space, or allow it.") from error


def replace_file(path: Path, content: bytes) -> None:
    """Put a whole file in a file's place, and make its folder where it is missing; leave nothing else if that fails.

    Raises:
        OSError: If the file system does not allow it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")  # hosts that share it may share a pid
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
