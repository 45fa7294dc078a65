"""The axis of an MSE: logarithmic where the range asks for it, and never without a place for 0."""

from __future__ import annotations

import math
from collections.abc import Iterable

from matplotlib.axes import Axes

__all__ = ["set_mse_scale"]

_ZERO_DECADES = 0.9  # from 0 to the least decade, in decades
_MARGIN = 0.06  # below the least value, of the height
_DUST = 1e-9  # of the greatest value: squared rounding of float32, where a copy is exact; drawn as 0
_LOG_FROM = 5.0  # ratio of the greatest to the least value from which the small ones cannot be read on a linear axis


def set_mse_scale(axes: Axes, values: Iterable[float], *, top: float = math.inf) -> None:
    """Set the scale of the y axis: linear, logarithmic, or the latter with a linear part down to 0.

    Values above `top` are left outside.
    """
    shown = sorted(value for value in values if value <= top)
    positive = [value for value in shown if value > _DUST * shown[-1]]
    if not positive or not positive[-1] / positive[0] > _LOG_FROM:
        axes.set_yscale("linear")
    elif len(positive) == len(shown):
        axes.set_yscale("log", nonpositive="clip")
    else:
        threshold = 10.0 ** math.floor(math.log10(positive[0]))
        axes.set_yscale("symlog", linthresh=threshold, linscale=_ZERO_DECADES)
    if top < math.inf and shown:
        transform = axes.yaxis.get_transform()
        low, high = transform.transform([shown[0], top])
        bottom = transform.inverted().transform([low - _MARGIN * (high - low)])[0]
        axes.set_ylim(bottom, top)
