"""The scale of a smoothing parameter: logarithmic, with a place of its own for 0."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["LambdaScale", "cell_places", "decade_of", "log_edges"]

_END_DECADES = 0.5  # how far a cell reaches at most beyond an outer value


@dataclass(frozen=True, kw_only=True)
class LambdaScale:
    """A logarithmic scale from `floor` to `ceiling`, and 0 in a strip left of it (or below).

    `floor` and `ceiling` are the outer edges of the cells around the values, in the unit of λ. Where all values are 0
    both are 1 and only the strip is shown.
    """

    floor: float
    ceiling: float
    values: tuple[float, ...]

    @classmethod
    def around(cls, values: Iterable[float]) -> LambdaScale:
        """Build the scale that shows all of the values."""
        positive = sorted({value for value in values if value > 0})
        edges = log_edges(positive) if positive else [1.0]
        return cls(floor=edges[0], ceiling=edges[-1], values=tuple(positive))

    @property
    def zero_edges(self) -> tuple[float, float]:
        """The cell around 0, with a gap between it and the floor."""
        return -self.floor / 2, self.floor / 2

    def ticks(self, most: int) -> list[float]:
        """Return 0 and at most so many whole decades; the outer values themselves where no decade lies among them."""
        if not self.values:
            return [0.0]
        first, last = math.ceil(math.log10(self.floor)), math.floor(math.log10(self.ceiling))
        step = max(1, math.ceil((last - first + 1) / most))
        decades = [10.0**power for power in range(last, first - 1, -step)]
        return [0.0, *(decades[::-1] or (self.values[0], self.values[-1]))]

    def edges(self, values: Sequence[float]) -> list[float]:
        """Return the edges of the cells around ascending values; a gap parts 0 from the rest (`cell_places`)."""
        positive = [value for value in values if value > 0]
        zero = self.zero_edges if len(positive) < len(values) else ()
        return [*zero, *(log_edges(positive) if positive else [])]


def cell_places(values: Sequence[float]) -> list[int]:
    """Return which cell belongs to each of some ascending values; after that of 0 one is left blank.

    Example:
        >>> cell_places([0.0, 0.1, 1.0]), cell_places([0.1, 1.0])
        ([0, 2, 3], [0, 1])
    """
    return [index + (index > 0 and values[0] == 0) for index in range(len(values))]


def log_edges(values: Sequence[float]) -> list[float]:
    """Return the edges of cells around ascending positive values: geometric means between them, n + 1 edges for n.

    An outer cell reaches as far beyond its value as towards its neighbour, half a decade at most.

    Example:
        >>> [round(edge, 6) for edge in log_edges([0.01, 0.1, 1.0])]
        [0.003162, 0.031623, 0.316228, 3.162278]
    """
    inner = [math.sqrt(low * high) for low, high in itertools.pairwise(values)]
    widest = 10**_END_DECADES
    first = min(widest, inner[0] / values[0]) if inner else widest
    last = min(widest, values[-1] / inner[-1]) if inner else widest
    return [values[0] / first, *inner, values[-1] * last]


def decade_of(value: float) -> int | None:
    """Return the power of ten that a value is, None for any other."""
    power = round(math.log10(value)) if value > 0 else 0
    return power if math.isclose(value, 10.0**power, rel_tol=1e-9) else None
