"""What an interactive figure shows, read back from its traces."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio


def named(figure: go.Figure, name: str) -> Any:
    """Return the only trace of a name."""
    (trace,) = [trace for trace in figure.data if trace.name == name]
    return trace


def names(figure: go.Figure) -> list[str]:
    """Return what the legend shows."""
    return [trace.name for trace in figure.data if trace.showlegend is not False]


def points(trace: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(trace.x, trace.y, strict=True)]


def plain(html: str) -> str:
    """Return the text of a hover without its tags."""
    return re.sub(r"</?\w+>", " ", html)


def check(figure: go.Figure) -> None:
    """Refuse a figure that cannot be sent to a browser, sets ground or ink for all hosts, or offers an upload."""
    pio.to_json(figure, validate=True)
    assert figure.layout.paper_bgcolor is None
    assert figure.layout.font.color is None
    assert figure.layout.template.layout.paper_bgcolor == "rgba(0, 0, 0, 0)"
    assert "sendChartToCloud" in figure.layout.template.layout.modebar.remove
