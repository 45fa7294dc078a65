"""Interrupts that come where Python can raise nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["keep_interrupts"]

_SOON_S = 0.01


def keep_interrupts() -> None:
    """Raise an interrupt again that came in a destructor, or in what is called as a weak reference dies.

    Python prints such an error and goes on: the interrupt would be lost. SQLAlchemy forgets so much by weak references
    that one in ten comes there while a storage is read.
    """
    if not isinstance(sys.unraisablehook, _Hook):
        sys.unraisablehook = _Hook(sys.unraisablehook)


@dataclass(frozen=True)
class _Hook:
    """What Python calls with an error that it cannot raise.

    Attributes:
        otherwise: What is called with any other one.
    """

    otherwise: Callable[[UnraisableHookArgs], object]

    def __call__(self, unraisable: UnraisableHookArgs, /) -> None:
        is_main = threading.current_thread() is threading.main_thread()  # which alone hears signals
        if is_main and issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.signal(signal.SIGALRM, _interrupt)
            signal.setitimer(signal.ITIMER_REAL, _SOON_S)
        else:
            self.otherwise(unraisable)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
