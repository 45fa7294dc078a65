"""What is served now, kept where it outlives a front."""

from __future__ import annotations

__all__ = ["Standing"]


class Standing:
    """Holds the plan that is served, as bytes; an actor, so that a front that was killed finds it again.

    Args:
        number: Of the plan, rising.
        plan: As `Plan.pack` made it.
    """

    def __init__(self, number: int, plan: bytes) -> None:
        self._number = number
        self._plan = plan

    def put(self, number: int, plan: bytes) -> None:
        """Let another plan be served, unless a later one is."""
        if number >= self._number:
            self._number, self._plan = number, plan

    def get(self) -> tuple[int, bytes]:
        """Return the plan that is served, and its number."""
        return self._number, self._plan

    def number(self) -> int:
        """Return its number alone."""
        return self._number
