"""The axis of a smoothing parameter: logarithmic, with a place of its own for 0."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

__all__ = ["LambdaScale", "log_edges"]

_END_DECADES = 0.5  # how far a cell reaches at most beyond an outer value
_ZERO_SHARE = 0.12  # of the length of the logarithmic part, from 0 to its floor


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

    def apply(self, axes: Axes, which: Literal["x", "y"], *, most_ticks: int = 6) -> None:
        """Set the scale, limits and ticks of an axis."""
        lower, upper = self.zero_edges
        decades = math.log10(self.ceiling / self.floor)
        share = max(0.1, _ZERO_SHARE * decades)
        set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
        set_scale("symlog", linthresh=self.floor, linscale=share)
        set_limits(lower, self.ceiling if self.values else upper)
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_major_locator(FixedLocator(self.ticks(most_ticks)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(_tick_label))


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


def _tick_label(value: float, _position: int | None = None) -> str:
    if value == 0:
        return "0"
    power = round(math.log10(value))
    is_decade = math.isclose(value, 10.0**power, rel_tol=1e-9)
    return f"$10^{{{power}}}$" if is_decade else f"{value:.2g}"
