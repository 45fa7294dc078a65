"""The outputs of a group beside what was read off the answers that arrived."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nercc_tune.reporting.interactive.looks import new_figure

__all__ = ["plot_outputs"]

_HEIGHT_PX = 460
_Rows = Sequence[Sequence[float]]


def plot_outputs(outputs: _Rows, estimates: _Rows) -> go.Figure:
    """Draw the true outputs and the estimates as two maps on one scale, a row for each query.

    Args:
        outputs: [K, c], in the order of the nodes.
        estimates: The same of what was decoded.

    Raises:
        ValueError: If they differ in shape.
    """
    shapes = [(len(rows), *{len(row) for row in rows}) for rows in (outputs, estimates)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"`estimates` must have the shape of `outputs` {shapes[0]}, but got {shapes[1]}.")
    panels = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    maps = [
        go.Heatmap(
            z=[list(row) for row in rows],
            coloraxis="coloraxis",
            name=name,
            hovertemplate=f"{name}<br>query at node %{{y}}, class %{{x}}: %{{z:.4g}}<extra></extra>",
        )
        for rows, name in ((outputs, "true output"), (estimates, "estimate"))
    ]
    figure = new_figure([], height=_HEIGHT_PX)
    figure.update_layout(panels.layout)
    for place, panel in enumerate(maps):
        panel.update(xaxis="x" if place == 0 else "x2", yaxis="y" if place == 0 else "y2")
        figure.add_trace(panel)
    figure.update_layout(
        coloraxis={"colorscale": "Viridis", "colorbar": {"thickness": 12}},
        xaxis={"title": {"text": "true outputs: class"}},
        xaxis2={"title": {"text": "estimates: class"}},
        yaxis={"title": {"text": "query, in the order of the nodes"}},
        margin={"t": 20},
    )
    return figure
