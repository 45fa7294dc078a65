"""How a surface is coloured: the valley must be seen, which is shallow beside what over-smoothing costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.records import CellHistory, Surface
from nercc_tune.reporting.pictures.lambda_scale import cell_places
from nercc_tune.reporting.pictures.measures import ERRORS

__all__ = ["CONTOURS", "CONTOUR_COLOUR", "SurfaceMap", "with_gaps"]

CONTOURS = (1.02, 1.1, 1.5)
"""Times the least error, where lines are drawn."""

CONTOUR_COLOUR = "#d0d0d0"
_TIMES_SHOWN = 10.0  # the least error; beyond, or beyond that of (0, 0), colours do not change
_SHARE_SHOWN = 0.1  # below the best, of RelAcc or agreement; the same
_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceMap:
    """A surface as colours and lines.

    Attributes:
        surface: With a value for each λ_enc (rows) and λ_dec (columns), one of them finite.
        shown: Of an error its logarithm to base 10, that of 0 as that of the least other; else the value itself.
        low: Where the colours begin; `high` where they end.
        ratios: The values relative to the least error, where both λ are positive.
    """

    surface: Surface
    shown: _Array
    low: float
    high: float
    ratios: _Array

    @classmethod
    def of(cls, surface: Surface, cell: CellHistory) -> SurfaceMap:
        """Build the map of a surface of a cell."""
        values = np.array(surface.values, dtype=np.float64)
        score = cell.baselines.get("nercc_ag")
        origin = getattr(score, surface.metric) if score else None
        positive = values[values > 0]
        least = float(positive.min()) if positive.size else 1.0
        errors = np.maximum(values, least)
        encoders, decoders = np.array(surface.lambda_encs), np.array(surface.lambda_decs)
        shown = np.log10(errors) if surface.metric in ERRORS else values
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        if surface.metric in ERRORS:
            at_origin = math.log10(origin) if origin is not None and origin > 0 else low
            high = min(high, max(low + math.log10(_TIMES_SHOWN), at_origin))
        else:
            low = max(low, min(high - _SHARE_SHOWN, high if origin is None else origin))
        ratios = errors[np.ix_(encoders > 0, decoders > 0)] / least
        return cls(surface=surface, shown=shown, low=low, high=high, ratios=ratios)

    @property
    def is_error(self) -> bool:
        """Whether less is better."""
        return self.surface.metric in ERRORS

    @property
    def has_contours(self) -> bool:
        """Whether lines can be drawn through `ratios`, and would be seen."""
        is_wide = self.is_error and min(self.ratios.shape) > 1
        return bool(is_wide and self.ratios.min() < CONTOURS[-1] < self.ratios.max())


def with_gaps(surface: Surface, values: _Array) -> _Array:
    """Return values of a surface, or several for each, with NaN in the blank row and column beside those of 0."""
    rows, columns = cell_places(surface.lambda_encs), cell_places(surface.lambda_decs)
    cells = np.full((rows[-1] + 1, columns[-1] + 1, *values.shape[2:]), np.nan)
    cells[np.ix_(rows, columns)] = values
    return cells
