"""How a surface is coloured: the valley must be seen, which is shallow beside what over-smoothing costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from nercc_tune.records import CellHistory, Surface
from nercc_tune.reporting.interactive.lambda_axis import LABELS, LambdaAxis
from nercc_tune.reporting.interactive.looks import ERRORS, MEASURE_LABELS
from nercc_tune.reporting.interactive.thinning import thinned

__all__ = ["surface_traces"]

_TIMES_SHOWN = 10.0  # the least error; beyond, or beyond that of (0, 0), colours do not change
_SHARE_SHOWN = 0.1  # below the best, of RelAcc or agreement; the same
_CONTOURS = {1.02: 2.0, 1.1: 1.4, 1.5: 0.8}  # times the least error: width of the line
_CONTOUR_COLOUR = "#d0d0d0"
_TICKS = 5
_BAR = {"thickness": 12, "outlinewidth": 0, "title": {"side": "right"}}


def surface_traces(surface: Surface, cell: CellHistory, *, decoder: LambdaAxis, encoder: LambdaAxis) -> list[Any]:
    """Return the heat map of a surface, dark where it is good, and lines at 2, 10 and 50 % above the least error.

    Errors are coloured by their logarithm, RelAcc and agreement as they are.
    """
    surface = thinned(surface)
    values = np.array(surface.values, dtype=np.float64)
    is_error = surface.metric in ERRORS
    if not np.isfinite(values).any():
        return []
    shown = _log10(values) if is_error else values
    low, high = _colour_range(shown, _of_origin(surface, cell), is_error=is_error)
    x_edges, x_index = decoder.edges(surface.lambda_decs)
    y_edges, y_index = encoder.edges(surface.lambda_encs)
    place = np.ix_(y_index, x_index)
    cells = np.full((len(y_edges) - 1, len(x_edges) - 1), np.nan)
    cells[place] = shown
    said = np.full((*cells.shape, 3), np.nan)
    said[place] = np.stack(
        np.broadcast_arrays(np.array(surface.lambda_encs)[:, None], np.array(surface.lambda_decs), values), axis=-1
    )
    label = MEASURE_LABELS[surface.metric]
    heat = go.Heatmap(
        x=x_edges,
        y=y_edges,
        z=cells,
        customdata=said,
        zmin=low,
        zmax=high,
        colorscale="Viridis",
        reversescale=not is_error,
        colorbar={**_BAR, "title": {"text": label, "side": "right"}, **(_log_ticks(low, high) if is_error else {})},
        hovertemplate=f"{LABELS['lambda_enc']} = %{{customdata[0]:.3~g}}, {LABELS['lambda_dec']} = "
        f"%{{customdata[1]:.3~g}}<br>{label} %{{customdata[2]:.4~g}}<extra></extra>",
        hoverongaps=False,
        name="surface",
        showlegend=False,
    )
    return [heat, *(_contours(surface, values, decoder=decoder, encoder=encoder) if is_error else [])]


def _log10(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms, of 0 that of the least other value."""
    least = values[values > 0].min(initial=1.0)
    logs: NDArray[np.float64] = np.log10(np.maximum(values, least))
    return logs


def _of_origin(surface: Surface, cell: CellHistory) -> float:
    origin = cell.baselines.get("nercc_ag")
    value = getattr(origin, surface.metric) if origin else None
    return math.nan if value is None else float(value)


def _colour_range(shown: NDArray[np.float64], origin: float, *, is_error: bool) -> tuple[float, float]:
    least, greatest = float(np.nanmin(shown)), float(np.nanmax(shown))
    if is_error:
        at_origin = math.log10(origin) if origin > 0 else least
        return least, min(greatest, max(least + math.log10(_TIMES_SHOWN), at_origin))
    at_origin = origin if math.isfinite(origin) else greatest
    return max(least, min(greatest - _SHARE_SHOWN, at_origin)), greatest


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Return ticks of a colour bar at round values; its own would be at logarithms."""
    places = np.linspace(low, high, _TICKS) if high > low else np.array([low])
    digits = 1 if high - low > 1 else 2
    values = [float(f"{10**place:.{digits}g}") for place in places]
    return {
        "tickvals": [math.log10(value) for value in values],
        "ticktext": [f"{value:.{digits}g}" for value in values],
    }


def _contours(
    surface: Surface, values: NDArray[np.float64], *, decoder: LambdaAxis, encoder: LambdaAxis
) -> list[go.Contour]:
    x, y = np.array(surface.lambda_decs), np.array(surface.lambda_encs)
    inner = values[np.ix_(y > 0, x > 0)]
    least = values[values > 0].min(initial=math.inf)
    if min(inner.shape) < 2 or not inner.min() / least < max(_CONTOURS) < inner.max() / least:
        return []
    return [
        go.Contour(
            x=decoder.places(x[x > 0]),
            y=encoder.places(y[y > 0]),
            z=inner / least,
            contours={"start": level, "end": level, "size": 1.0, "coloring": "none"},
            line={"color": _CONTOUR_COLOUR, "width": width, "smoothing": 0},
            hoverinfo="skip",
            showscale=False,
            showlegend=False,
            name=f"{level - 1:.0%} above the least",
        )
        for level, width in _CONTOURS.items()
    ]
