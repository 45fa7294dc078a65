"""The axis of a smoothing parameter in a plotly figure: log10 λ, and 0 in a strip of its own before it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nercc_tune.reporting.pictures.lambda_scale import LambdaScale, cell_places, decade_of

__all__ = ["LABELS", "LambdaAxis"]

LABELS = {"lambda_enc": "λ<sub>enc</sub>", "lambda_dec": "λ<sub>dec</sub>"}
"""What the two smoothing parameters are called, by the name of an `Axis`."""

_ZERO_SHARE = 0.1  # of the length of the logarithmic part, from 0 to its floor
_LEAST_STRIP = 0.1  # decades


@dataclass(frozen=True, kw_only=True)
class LambdaAxis:
    """Where λ lies on a linear axis: at log10 λ, and 0 in a strip apart, below all others.

    Example:
        >>> axis = LambdaAxis.around([0.0, 1e-6, 1e-4])
        >>> axis.place(1e-6), axis.place(0.0) < axis.place(1e-6) - 0.5
        (-6.0, True)
    """

    scale: LambdaScale

    @classmethod
    def around(cls, values: Iterable[float]) -> LambdaAxis:
        """Build the axis that shows all of the values, and 0."""
        return cls(scale=LambdaScale.around(values))

    def place(self, smoothing: float) -> float:
        """Return the place of a λ, which must lie within the axis."""
        return math.log10(smoothing) if smoothing > 0 else math.log10(self.scale.floor) - self._strip

    def places(self, smoothings: Iterable[float]) -> list[float]:
        """Return the places of several."""
        return [self.place(smoothing) for smoothing in smoothings]

    @property
    def zero_edges(self) -> tuple[float, float]:
        """The strip around 0, in places; a gap parts it from the rest."""
        zero = self.place(0.0)
        return zero - self._strip / 2, zero + self._strip / 2

    def edges(self, smoothings: Sequence[float]) -> tuple[list[float], list[int]]:
        """Return the edges of cells around ascending λ in places, and the cell of each; a gap parts 0 from the rest."""
        edges = self.scale.edges(smoothings)
        zero = self.zero_edges if edges[0] < 0 else ()
        return [*zero, *map(math.log10, edges[len(zero) :])], cell_places(smoothings)

    def layout(self, title: str, *, most_ticks: int = 8) -> dict[str, Any]:
        """Return the settings of the axis: title, range, a tick at 0 and at decades, and small ones at all decades."""
        ticks = self.scale.ticks(most_ticks)
        low, high = self.zero_edges
        return {
            "title": {"text": title},
            "range": [low, math.log10(self.scale.ceiling) if self.scale.values else high],
            "tickmode": "array",
            "tickvals": self.places(ticks),
            "ticktext": list(map(_tick_label, ticks)),
            "minor": {"tickmode": "array", "tickvals": self.places(self.scale.ticks(1000)), "ticks": "outside"},
            "zeroline": False,
        }

    @property
    def _strip(self) -> float:
        """How wide the strip of 0 is, and twice as wide as the gap."""
        return max(_LEAST_STRIP, _ZERO_SHARE * math.log10(self.scale.ceiling / self.scale.floor))


def _tick_label(value: float) -> str:
    power = decade_of(value)
    return f"1e{power}" if power else f"{value:.2g}"
