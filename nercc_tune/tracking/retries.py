"""How long to wait for a tracking store that fails, and when to give it up."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0

_AT_ONCE_S = 3.0
"""An attempt that takes no longer was turned down; a longer one got no answer in time, and the next may."""

_LAST_ATTEMPTS = 4
"""Attempts that were turned down at once before the store is given up: with the pauses between them seven seconds."""

_LAST_PERIOD_S = 60.0
"""Time without any progress after which a store that accepts connections and answers none is given up."""


class Retries:
    """Counts the failures of a store since it last took something.

    Args:
        first_pause_s: How long to wait after the first failure.
        clock: Returns seconds.
    """

    def __init__(self, first_pause_s: float = FIRST_PAUSE_S, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._first_pause_s = first_pause_s
        self._clock = clock
        self._sent = 0
        self._in_a_row = 0
        self._at_once = 0
        self._since = clock()
        self._is_closing = False

    @property
    def pause_s(self) -> float:
        """How long to wait before the next attempt: twice as long after each failure, up to half a minute."""
        return float(min(self._first_pause_s * 2 ** min(self._in_a_row - 1, 10), _LONGEST_PAUSE_S))

    @property
    def are_exhausted(self) -> bool:
        """Whether another attempt is pointless where somebody waits for it."""
        return self._at_once >= _LAST_ATTEMPTS or self._clock() - self._since > _LAST_PERIOD_S

    def failed(self, *, sent: int, took_s: float, is_closing: bool) -> None:
        """Take note of a failure.

        Args:
            sent: Things that the store has taken so far.
            took_s: How long it took to fail.
            is_closing: Whether somebody waits for the end, which counts the failures anew.
        """
        if sent > self._sent or is_closing > self._is_closing:
            self._in_a_row = self._at_once = 0
            self._since = self._clock()
        self._sent, self._is_closing = sent, is_closing
        self._in_a_row += 1
        self._at_once = self._at_once + 1 if took_s <= _AT_ONCE_S else 0
