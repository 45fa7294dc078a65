"""How every interactive figure looks: the colours of `CODES`, legible on light and on dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from matplotlib import colormaps
from matplotlib.colors import to_hex

from nercc_tune.reporting.style import CODES, CodeStyle

__all__ = ["EDGE", "marker_of", "marker_of_style", "new_figure", "spread_colours"]

EDGE = "#333333"
"""Around white marks, which lie on colours."""

_INK = "#7a7a7a"  # contrast of more than 4 to white and to black; whoever shows the figure may set a better one
_GRID = "rgba(128, 128, 128, 0.25)"
_CLEAR = "rgba(0, 0, 0, 0)"
_SPREAD = (0.3, 0.8)  # viridis without its ends, one of which is lost on dark ground and one on light
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "D": "diamond",
    "X": "x",
    "P": "cross",
    "h": "hexagon",
    "d": "diamond-tall",
}
_UPLOAD = "sendChartToCloud"  # a button that hands the data to plotly's company
_TITLED_PX = 90
_AXIS = {
    "gridcolor": _GRID,
    "linecolor": _INK,
    "tickcolor": _INK,
    "ticks": "outside",
    "zeroline": False,
    "exponentformat": "power",
}

_TEMPLATE = go.layout.Template(
    layout={
        "font": {"color": _INK, "size": 13},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "xaxis": {**_AXIS, "automargin": True},
        "yaxis": {**_AXIS, "automargin": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": _CLEAR},
        "margin": {"l": 70, "r": 20, "t": 50, "b": 60},
        "modebar": {"bgcolor": _CLEAR, "color": _GRID, "activecolor": _INK, "remove": [_UPLOAD]},
        "hoverlabel": {"align": "left"},
        "hovermode": "closest",
        "title": {"font": {"size": 15}, "x": 0, "xref": "paper", "y": 0.98, "yanchor": "top", "yref": "container"},
    }
)


def new_figure(traces: Sequence[Any], *, title: str = "", height: int = 480) -> go.Figure:
    """Return a figure with the common look, on transparent ground."""
    figure = go.Figure(data=list(traces))
    figure.update_layout(template=_TEMPLATE, height=height)
    if title:
        figure.update_layout(title={"text": title}, margin={"t": _TITLED_PX})
    return figure


def marker_of(code: str, *, size: int = 8) -> dict[str, Any]:
    """Return a code's marker, by which it is told where colours are not seen."""
    return marker_of_style(CODES[code], size=size)


def marker_of_style(style: CodeStyle, *, size: int = 8) -> dict[str, Any]:
    """Return the marker of a style."""
    return {"symbol": _SYMBOLS[style.marker], "color": style.colour, "size": size}


def spread_colours(count: int) -> list[str]:
    """Return one colour for each of several things in an order; of a single one that of the tuned code."""
    if count == 1:
        return [CODES["tuned"].colour]
    first, last = _SPREAD
    return [to_hex(colormaps["viridis"](first + (last - first) * index / (count - 1))) for index in range(count)]
