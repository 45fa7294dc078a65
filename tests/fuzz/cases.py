"""What every case must do: be accepted, or be refused in one line, soon and without a trace."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from hypothesis import HealthCheck, Phase, settings

from nercc_tune.errors import NerccTuneError

_Value = TypeVar("_Value")

LONGEST_MESSAGE = 500
_SLOWEST_S = 10  # on a machine that does other things besides

QUICK = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=_SLOWEST_S),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
)
LONG = settings(QUICK, max_examples=1000)


class HangError(BaseException):
    """A case did not end; no `except Exception` of the code under test may catch it."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Interrupt what does not end."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _SLOWEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def accept_or_refuse(read: Callable[[], _Value], folder: Path) -> _Value | NerccTuneError:
    """Return what is read, or the error that refuses it; any other outcome, a hang or a new file fails the test."""
    before = _listing(folder)
    outcome: _Value | NerccTuneError
    with time_limit():
        try:
            outcome = read()
        except NerccTuneError as error:
            outcome = error
    assert _listing(folder) == before
    if isinstance(outcome, NerccTuneError):
        message = str(outcome)
        assert message.isprintable()
        assert 0 < len(message) < LONGEST_MESSAGE
    return outcome


def _listing(folder: Path) -> list[tuple[Path, int, int]]:
    return sorted((path, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*"))
