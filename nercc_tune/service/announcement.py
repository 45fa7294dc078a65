"""Where a service listens, said in the home for whoever looks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nercc_tune.home import write_whole
from nercc_tune.records import Strict, from_json, to_json

__all__ = ["announced", "read_announcement"]


@dataclass(frozen=True, kw_only=True)
class _Announcement(Strict):
    url: str


@contextmanager
def announced(url: str, file: Path) -> Iterator[None]:
    """Say within the block where a service listens; of two the later one is found, until it ends.

    Args:
        url: Of its entrance, for example `http://127.0.0.1:8000`.
        file: Of the home, see `Home.service`.

    Raises:
        HomeError: If the file cannot be written.
    """
    write_whole(file, json.dumps(to_json(_Announcement(url=url))).encode())
    try:
        yield
    finally:
        if read_announcement(file) == url:
            file.unlink(missing_ok=True)


def read_announcement(file: Path) -> str | None:
    """Return where a service says that it listens; None where none does, or its file says something else.

    A service that was killed leaves its file behind.
    """
    try:
        return from_json(_Announcement, json.loads(file.read_bytes())).url
    except (OSError, ValueError):
        return None
