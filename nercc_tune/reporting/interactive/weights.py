"""How much of each query a worker gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from nercc_tune.records import CODE_NAMES
from nercc_tune.reporting.interactive.looks import marker_of, new_figure

__all__ = ["plot_weights"]

_HEIGHT_PX = 280


def plot_weights(rows: Mapping[str, Sequence[float]]) -> go.Figure:
    """Draw one worker's row of the encoder matrix of several codes, the queries in the order of their nodes.

    Args:
        rows: By name of `CODES`, K weights each; `tuned` stands for any NeRCC.
    """
    traces = [
        go.Bar(
            x=list(range(len(weights))),
            y=list(weights),
            name="NeRCC" if code == "tuned" else CODE_NAMES[code],
            marker_color=marker_of(code)["color"],
            hovertemplate="query at node %{x}: weight %{y:.4g}",
        )
        for code, weights in rows.items()
    ]
    figure = new_figure(traces, height=_HEIGHT_PX)
    figure.update_layout(
        xaxis={"title": {"text": "query, in the order of the nodes"}},
        yaxis={"title": {"text": "weight"}},
        margin={"t": 30, "b": 50},
    )
    return figure
