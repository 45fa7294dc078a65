"""What every crew is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nercc_tune import errors
from nercc_tune.errors import CrewError, NerccTuneError

# For each worker, deaths in a row before everything was loaded: another try helps against bad luck only.
_FALSE_STARTS_AT_MOST = 25


class Crew(Protocol):
    """Search workers of one study; what each of them runs is `nercc_tune.launch.worker.work`."""

    def start(self) -> None:
        """Start the workers."""
        ...

    def tend(self) -> None:
        """Replace the workers that died or ended.

        Raises:
            NerccTuneError: The error with which a worker ended: another one would end with it, too.
            CrewError: If workers die again and again before they begin.
        """
        ...

    def stop(self) -> None:
        """End all workers, whose proposals are given back; they may have ended before."""
        ...


class FalseStarts:
    """Counts the workers in a row that died before they were ready."""

    def __init__(self, notify: Callable[[str], None], *, workers: int = 1) -> None:
        self._notify = notify
        self._at_most = _FALSE_STARTS_AT_MOST * workers
        self._count = 0

    def see_ready(self) -> None:
        """Note that a worker is ready."""
        self._count = 0

    def see_death(self, how: str, *, was_ready: bool) -> None:
        """Note that a worker died.

        Raises:
            CrewError: If too many in a row died before they were ready.
        """
        self._count = 0 if was_ready else self._count + 1
        if self._count >= self._at_most:
            raise CrewError(
                f"{self._count} search workers in a row died before they had loaded the model (the last one: {how}); "
                "the memory may not suffice for so many: lower --workers."
            )
        self._notify(f"a search worker died ({how}); another one takes its place")


def report_of(error: Exception) -> str:
    """Return an error as a worker reports it: `to_error` reads it back."""
    if isinstance(error, NerccTuneError):
        return f"{type(error).__name__} {error}"
    text = " ".join(str(error).split())
    return f"{CrewError.__name__} a search worker failed on {type(error).__name__}: {text}"


def to_error(name: str, text: str) -> NerccTuneError:
    """Return the error that a worker reported, by the name of its class."""
    kind = getattr(errors, name, CrewError)
    found: NerccTuneError = kind(text)
    return found
