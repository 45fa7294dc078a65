"""A metric over both smoothing parameters, with what the search did there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, Policy, Surface
from nercc_tune.reporting.interactive.hover import pair_text, score_text, trial_text
from nercc_tune.reporting.interactive.lambda_axis import LABELS, LambdaAxis
from nercc_tune.reporting.interactive.looks import EDGE, marker_of, new_figure
from nercc_tune.reporting.interactive.surface_colours import surface_traces
from nercc_tune.reporting.pictures.marks import Marks, ShownTrial
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.style import CODES

__all__ = ["plot_landscape"]

_GL_FROM = 5000  # points, drawn by the graphics card: SVG gets slow, and browsers allow few such figures on a page
_TRIAL = {"symbol": "circle", "color": "white", "size": 6, "line": {"color": EDGE, "width": 1}}
_FAILED_SYMBOLS = {True: "x", False: "triangle-down-open"}
_FAILED = {"color": "white", "size": 8, "line": {"color": EDGE, "width": 1}}
_PATH = {"color": "#bdbdbd", "width": 2, "dash": "dot"}
_CHOSEN = {"symbol": "star", "color": CODES["tuned"].colour, "size": 17, "line": {"color": "white", "width": 1.2}}
_POLICY = {"symbol": "square-open", "color": CODES["policy"].colour, "size": 15, "line": {"width": 3}}
_ORIGIN = marker_of("nercc_ag", size=11) | {"line": {"color": "white", "width": 1}}


def plot_landscape(surface: Surface, cell: CellHistory, *, policy: Policy | None = None) -> go.Figure:
    """Draw a surface over (λ_dec, λ_enc) with the trials of its design, the path of the search and what was chosen.

    0 has a row and a column of its own, apart from the logarithmic part. Colours end at ten times the least error, or
    at that of (0, 0) where it is more; lines are drawn at 2 %, 10 % and 50 % above the least. The marks, by the names
    of their traces: `trials`, `failed` (or pruned), `search path` (through those better than all before), `chosen` (or
    the best so far), `policy` and `(0, 0)`; a mark that does not apply to the surface's design is left out.

    Args:
        surface: Of this cell, for example `recorded_surface`.
        cell: With its trials.
        policy: Of the study, whose pair for this cell is shown where it has the surface's design.
    """
    drawn = _Traces(surface, cell, policy)
    traces = surface_traces(surface, cell, decoder=drawn.decoder, encoder=drawn.encoder)
    traces += drawn.traces()
    figure = new_figure(traces, title=f"S = {write_count(cell.cell)}, {surface.design.label}", height=560)
    figure.update_layout(
        xaxis=drawn.decoder.layout(LABELS["lambda_dec"]) | {"showgrid": False},
        yaxis=drawn.encoder.layout(LABELS["lambda_enc"]) | {"showgrid": False},
        meta={"metric": surface.metric, "stragglers": cell.cell.stragglers},
    )
    return figure


class _Traces:
    """The marks of a surface as traces, and the axes that show all of them."""

    def __init__(self, surface: Surface, cell: CellHistory, policy: Policy | None) -> None:
        self.surface, self.cell = surface, cell
        self.marks = Marks.of(cell, surface.design, policy)
        encoders, decoders = zip((0.0, 0.0), *self.marks.pairs, strict=True)
        self.encoder = LambdaAxis.around([*surface.lambda_encs, *encoders])
        self.decoder = LambdaAxis.around([*surface.lambda_decs, *decoders])

    def traces(self) -> list[Any]:
        marks, surface = self.marks, self.surface
        symbols = [_FAILED_SYMBOLS[item.trial.pruned_after is None] for item in marks.unscored]
        traces = self._trials("trials", marks.trials, _TRIAL)
        traces += self._trials("failed", marks.unscored, _FAILED | {"symbol": symbols})
        if len(marks.path) > 1:
            places = self._places([item.pair for item in marks.path])
            traces.append(go.Scatter(**places, mode="lines", line=_PATH, hoverinfo="skip", name="search path"))
        if 0.0 in surface.lambda_encs and 0.0 in surface.lambda_decs:
            traces.append(self._points("(0, 0)", [(0.0, 0.0)], [self._origin_text()], marker=_ORIGIN))
        if marks.policy:
            text = f"<b>policy</b><br>{pair_text(*marks.policy)}"
            traces.append(self._points("policy", [marks.policy], [text], marker=_POLICY))
        if marks.chosen:
            traces.append(self._points("chosen", [marks.chosen], [self._chosen_text(*marks.chosen)], marker=_CHOSEN))
        return traces

    def _trials(self, name: str, shown: Sequence[ShownTrial], marker: dict[str, Any]) -> list[Any]:
        pairs, texts = [item.pair for item in shown], list(map(trial_text, shown))
        proposals = [item.trial.proposal for item in shown]
        return [self._points(name, pairs, texts, marker=marker, customdata=proposals)] if shown else []

    def _origin_text(self) -> str:
        row = self.surface.values[self.surface.lambda_encs.index(0.0)]
        value = row[self.surface.lambda_decs.index(0.0)]
        return f"<b>(0, 0)</b>, neither smooths<br>{MEASURE_LABELS[self.surface.metric]} {value:.4g}"

    def _chosen_text(self, lambda_enc: float, lambda_dec: float) -> str:
        entry, best = self.cell.entry, self.cell.best
        score = entry.tuning if entry else best.score if best else None
        title = "<b>chosen</b>, on the tuning draws" if entry else "<b>best so far</b>"
        return "<br>".join([title, pair_text(lambda_enc, lambda_dec), *([score_text(score)] if score else [])])

    def _points(
        self,
        name: str,
        pairs: Sequence[tuple[float, float]],
        texts: list[str],
        *,
        marker: dict[str, Any],
        customdata: list[int] | None = None,
    ) -> Any:
        """Return a trace of marks at pairs (λ_enc, λ_dec)."""
        kind = go.Scattergl if len(texts) >= _GL_FROM else go.Scatter
        return kind(
            **self._places(pairs),
            mode="markers",
            marker=marker,
            hovertext=texts,
            hoverinfo="text",
            customdata=customdata,
            name=name,
        )

    def _places(self, pairs: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
        encoders, decoders = zip(*pairs, strict=True)
        return {"x": self.decoder.places(decoders), "y": self.encoder.places(encoders)}
