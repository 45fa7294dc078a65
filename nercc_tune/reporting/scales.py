"""The axes of a matplotlib figure: of a smoothing parameter, and of an MSE or a time, with a place for 0."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nercc_tune.reporting.pictures.lambda_scale import LambdaScale, decade_of

__all__ = ["keep_means_in_sight", "set_lambda_scale", "set_mse_scale"]

_LAMBDA_ZERO_SHARE = 0.12  # of the length of the logarithmic part, from 0 to its floor
_ZERO_DECADES = 0.9  # from 0 to the least decade, in decades
_BELOW_ZERO = 0.3  # room for a mark at 0, of the linear part
_MARGIN = 0.06  # below the least value, of the height
_DUST = 1e-9  # of the greatest value: squared rounding of float32, where a copy is exact; drawn as 0
_LOG_FROM = 5.0  # ratio of the greatest to the least value from which the small ones cannot be read on a linear axis


def set_lambda_scale(axes: Axes, scale: LambdaScale, which: Literal["x", "y"], *, most_ticks: int = 6) -> None:
    """Set the scale, limits and ticks of the axis of a smoothing parameter."""
    lower, upper = scale.zero_edges
    share = max(0.1, _LAMBDA_ZERO_SHARE * math.log10(scale.ceiling / scale.floor))
    set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
    set_scale("symlog", linthresh=scale.floor, linscale=share)
    set_limits(lower, scale.ceiling if scale.values else upper)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(scale.ticks(most_ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_tick_label))


def set_mse_scale(
    axes: Axes, values: Iterable[float], *, top: float = math.inf, which: Literal["x", "y"] = "y"
) -> None:
    """Set the scale of an axis: linear, logarithmic, or the latter with a linear part down to 0.

    Values above `top` are left outside.
    """
    is_x = which == "x"
    set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if is_x else (axes.set_yscale, axes.set_ylim)
    shown = sorted(value for value in values if value <= top)
    positive = [value for value in shown if value > _DUST * shown[-1]]
    if not positive or not positive[-1] / positive[0] > _LOG_FROM:
        set_scale("linear")
    elif len(positive) == len(shown):
        set_scale("log", nonpositive="clip")
    else:
        threshold = 10.0 ** math.floor(math.log10(positive[0]))
        set_scale("symlog", linthresh=threshold, linscale=_ZERO_DECADES)
        set_limits(-_BELOW_ZERO * threshold, None)
    if top < math.inf and shown:
        transform = (axes.xaxis if is_x else axes.yaxis).get_transform()
        low, high = transform.transform([shown[0], top])
        bottom = transform.inverted().transform([low - _MARGIN * (high - low)])[0]
        set_limits(bottom, top)


def keep_means_in_sight(axes: Axes, means: Iterable[float]) -> None:
    """End a logarithmic axis a decade below the least mean: an interval that reaches to 0 would squeeze the rest."""
    positive = [mean for mean in means if mean > 0]
    if axes.get_yscale() == "log" and positive:
        axes.set_ylim(bottom=max(axes.get_ylim()[0], min(positive) / 10))


def _tick_label(value: float, _position: int | None = None) -> str:
    power = decade_of(value)
    return f"{value:.2g}" if power is None else f"$10^{{{power}}}$"
