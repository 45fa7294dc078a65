"""Who holds a lease: enough of a process's identity to see, on its own machine, that it has died."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROCESSES = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process somewhere.

    Attributes:
        machine: Tells running systems apart, containers too; empty where that cannot be told.
        started: Clock ticks between the machine's start and the process's, since process numbers are used again.
    """

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Holder:
        """Return this process."""
        return cls(host=socket.gethostname(), machine=_machine(), pid=os.getpid(), started=_started(os.getpid()) or "")

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to have ended; only its own machine knows."""
        if self.machine != _machine() or not self.machine:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it is another user's
        return _started(self.pid) not in (self.started, None)

    def is_on(self, other: Holder) -> bool:
        """Whether both processes run on one system, in whatever containers."""
        mine, theirs = (holder.machine.partition("/")[0] or holder.host for holder in (self, other))
        return mine == theirs

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@cache
def _machine() -> str:
    """Return the boot and the process name space, where the system tells them."""
    try:
        boot = (_PROCESSES / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROCESSES / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks; empty if only its remains are there, None if it cannot be seen."""
    try:
        text = (_PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # too many open files, or a system that hides the processes of others
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if state in "ZX" else fields[18]
