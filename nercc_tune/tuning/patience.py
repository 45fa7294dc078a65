"""Storage failures that pass: what failed is tried again for a stated time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from nercc_tune.errors import StorageError
from nercc_tune.text.redaction import masked, without_password

T = TypeVar("T")

STORAGE_FAILURES = (StorageInternalError, DBAPIError, PoolTimeoutError)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


@contextmanager
def failing_as(url: str) -> Iterator[None]:
    """Raise a failure of the storage inside the block as a `StorageError` of one line."""
    try:
        yield
    except STORAGE_FAILURES as error:
        raise _to_storage_error(error, url) from None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Runs what needs the storage, again and again while that fails, and gives up after `retry_s` seconds.

    What is run must be safe to repeat, wherever it failed: a commit may have arrived though its answer did not.

    Attributes:
        notify: Called with a line when the storage fails first, and when it is back.
    """

    url: str
    retry_s: float
    notify: Callable[[str], None] = lambda _: None

    def __call__(self, action: Callable[[], T]) -> T:
        """Return what the action returns.

        Raises:
            StorageError: If it still fails after the time.
        """
        failing_since: float | None = None
        pause = _FIRST_PAUSE_S
        while True:
            begun = time.monotonic()
            try:
                result = action()
            except STORAGE_FAILURES as error:
                now = time.monotonic()
                if failing_since is None or now - begun > self.retry_s:  # it worked for long enough in between
                    failing_since, pause = now, _FIRST_PAUSE_S
                    self.notify(f"the storage {masked(self.url)} failed ({_reason(error, self.url)}); trying again")
                if now - failing_since >= self.retry_s:
                    raise _to_storage_error(error, self.url, after=f" for {self.retry_s:g} s") from None
            else:
                if failing_since is not None:
                    self.notify("the storage is back")
                return result
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _to_storage_error(error: Exception, url: str, after: str = "") -> StorageError:
    return StorageError(
        f"the Optuna storage {masked(url)} failed{after} ({_reason(error, url)}); what was finished is in it: "
        "once it works, the same command goes on."
    )


def _reason(error: Exception, url: str) -> str:
    cause = error.__cause__ or error
    text = " ".join(str(getattr(cause, "orig", None) or cause).split())
    return without_password(text.removesuffix("."), url)[:200]
