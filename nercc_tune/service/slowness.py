"""What makes workers slow: induced in a measurement, and the same in a simulation."""

from __future__ import annotations

from typing import Protocol


class Slowness(Protocol):
    """Says how much longer a worker takes, the same for the same seed wherever it is asked."""

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:
        """Return how many seconds longer a task takes than it would undisturbed.

        Args:
            worker: Which.
            number: How many tasks it has run before.
            now_s: When it begins, in seconds since the measurement began.
            service_s: How long it takes undisturbed.
        """


class Undisturbed:
    """Nothing makes a worker slow."""

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:  # noqa: D102, ARG002
        return 0.0
