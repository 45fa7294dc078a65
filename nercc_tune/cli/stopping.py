"""How commands that run until they are stopped are stopped."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def end_like_ctrl_c() -> None:
    """Let SIGTERM, by which clusters end jobs, end a command as Ctrl-C does: what it holds is given back."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def hurry_on_hangup() -> threading.Event:
    """Return an event that is set whenever SIGHUP comes, by which one asks a service to look at what it serves."""
    hurry = threading.Event()
    signal.signal(signal.SIGHUP, lambda _signal, _frame: hurry.set())
    return hurry
