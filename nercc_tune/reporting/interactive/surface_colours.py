"""The colours and lines of a surface as traces."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nercc_tune.records import CellHistory, Surface
from nercc_tune.reporting.interactive.lambda_axis import LABELS, LambdaAxis
from nercc_tune.reporting.interactive.thinning import thinned
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.pictures.surface_map import CONTOUR_COLOUR, CONTOURS, SurfaceMap, with_gaps

__all__ = ["surface_traces"]

_CONTOUR_PX = (2.0, 1.4, 0.8)
_TICKS = 5
_BAR = {"thickness": 12, "outlinewidth": 0, "title": {"side": "right"}}


def surface_traces(surface: Surface, cell: CellHistory, *, decoder: LambdaAxis, encoder: LambdaAxis) -> list[Any]:
    """Return the heat map of a surface, dark where it is good, and lines at 2, 10 and 50 % above the least error.

    Errors are coloured by their logarithm, RelAcc and agreement as they are.
    """
    surface = thinned(surface)
    values = np.array(surface.values, dtype=np.float64)
    if not np.isfinite(values).any():
        return []
    colours = SurfaceMap.of(surface, cell)
    label = MEASURE_LABELS[surface.metric]
    lambda_encs = np.array(surface.lambda_encs)[:, None]
    said = np.stack(np.broadcast_arrays(lambda_encs, np.array(surface.lambda_decs), values), axis=-1)
    ticks = _log_ticks(colours.low, colours.high) if colours.is_error else {}
    heat = go.Heatmap(
        x=decoder.edges(surface.lambda_decs)[0],
        y=encoder.edges(surface.lambda_encs)[0],
        z=with_gaps(surface, colours.shown),
        customdata=with_gaps(surface, said),
        zmin=colours.low,
        zmax=colours.high,
        colorscale="Viridis",
        reversescale=not colours.is_error,
        colorbar={**_BAR, "title": {"text": label, "side": "right"}, **ticks},
        hovertemplate=f"{LABELS['lambda_enc']} = %{{customdata[0]:.3~g}}, {LABELS['lambda_dec']} = "
        f"%{{customdata[1]:.3~g}}<br>{label} %{{customdata[2]:.4~g}}<extra></extra>",
        hoverongaps=False,
        name="surface",
        showlegend=False,
    )
    return [heat, *(_contours(colours, decoder=decoder, encoder=encoder) if colours.has_contours else [])]


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Return ticks of a colour bar at round values; its own would be at logarithms."""
    places = np.linspace(low, high, _TICKS) if high > low else np.array([low])
    digits = 1 if high - low > 1 else 2
    values = [float(f"{10**place:.{digits}g}") for place in places]
    return {
        "tickvals": [math.log10(value) for value in values],
        "ticktext": [f"{value:.{digits}g}" for value in values],
    }


def _contours(colours: SurfaceMap, *, decoder: LambdaAxis, encoder: LambdaAxis) -> list[go.Contour]:
    return [
        go.Contour(
            x=decoder.places(value for value in colours.surface.lambda_decs if value > 0),
            y=encoder.places(value for value in colours.surface.lambda_encs if value > 0),
            z=colours.ratios,
            contours={"start": level, "end": level, "size": 1.0, "coloring": "none"},
            line={"color": CONTOUR_COLOUR, "width": width, "smoothing": 0},
            hoverinfo="skip",
            showscale=False,
            showlegend=False,
            name=f"{level - 1:.0%} above the least",
        )
        for level, width in zip(CONTOURS, _CONTOUR_PX, strict=True)
    ]
