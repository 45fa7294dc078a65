"""A surface with no more rows than can be told apart on a screen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nercc_tune.records import Surface

__all__ = ["thinned"]

_MOST_ROWS = 250


def thinned(surface: Surface) -> Surface:
    """Return a surface without the λ_enc that lie so close to others that a figure cannot show both.

    0, the greatest λ_enc and the row of the best value are kept, whether the best is the least or the greatest.
    """
    if len(surface.lambda_encs) <= _MOST_ROWS:
        return surface
    values = np.array(surface.values, dtype=np.float64)
    flat = np.nan_to_num(values, nan=float(np.nanmean(values)))
    always = {int(np.argmin(flat)) // flat.shape[1], int(np.argmax(flat)) // flat.shape[1], len(values) - 1}
    positive = [value for value in surface.lambda_encs if value > 0]
    step = math.log10(positive[-1] / positive[0]) / _MOST_ROWS
    kept: list[int] = []
    last = -math.inf
    for row, smoothing in enumerate(surface.lambda_encs):
        place = math.log10(smoothing) if smoothing > 0 else -math.inf
        if row in always or smoothing == 0 or not place < last + step:
            kept.append(row)
            last = place
    return replace(
        surface,
        lambda_encs=tuple(surface.lambda_encs[row] for row in kept),
        values=tuple(surface.values[row] for row in kept),
    )
