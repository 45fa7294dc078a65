"""A metric over both smoothing parameters, with what the search did there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, Design, Policy, PolicyEntry, Surface
from nercc_tune.reporting.interactive.hover import pair_text, score_text, trial_text
from nercc_tune.reporting.interactive.lambda_axis import LABELS, LambdaAxis
from nercc_tune.reporting.interactive.looks import EDGE, MEASURE_LABELS, marker_of, new_figure
from nercc_tune.reporting.interactive.shown_trials import search_path, shown_trials, unscored_trials
from nercc_tune.reporting.interactive.surface_colours import surface_traces
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
    marks = _Marks(surface, cell, policy)
    traces = surface_traces(surface, cell, decoder=marks.decoder, encoder=marks.encoder)
    traces += marks.traces()
    figure = new_figure(traces, title=f"S = {write_count(cell.cell)}, {surface.design.label}", height=560)
    figure.update_layout(
        xaxis=marks.decoder.layout(LABELS["lambda_dec"]) | {"showgrid": False},
        yaxis=marks.encoder.layout(LABELS["lambda_enc"]) | {"showgrid": False},
        meta={"metric": surface.metric, "stragglers": cell.cell.stragglers},
    )
    return figure


class _Marks:
    """What is marked on a surface, and the axes that show all of it."""

    def __init__(self, surface: Surface, cell: CellHistory, policy: Policy | None) -> None:
        self.surface, self.cell, self.policy = surface, cell, policy
        self.shown = shown_trials(cell, surface.design)
        self.unscored = unscored_trials(cell, surface.design)
        self.entry = _policy_entry(policy, cell, surface.design)
        chosen = cell.entry or cell.best
        self.chosen = chosen if chosen and chosen.design == surface.design else None
        encoders = [item.trial.lambda_enc for item in self.shown] + [trial.lambda_enc for trial in self.unscored]
        decoders = [item.lambda_dec for item in self.shown] + [trial.lambda_dec for trial in self.unscored]
        if self.chosen:
            encoders.append(self.chosen.lambda_enc)
            decoders.append(self.chosen.lambda_dec)
        if self.entry and policy:
            encoders.append(policy.lambda_enc)
            decoders.append(self.entry.lambda_dec)
        self.encoder = LambdaAxis.around([*surface.lambda_encs, *encoders])
        self.decoder = LambdaAxis.around([*surface.lambda_decs, *decoders])

    def traces(self) -> list[Any]:
        return [trace for trace in (self._trials(), self._failed(), self._path(), *self._pairs()) if trace is not None]

    def _trials(self) -> Any:
        pairs = [(item.trial.lambda_enc, item.lambda_dec) for item in self.shown]
        return self._points(
            "trials",
            pairs,
            [
                trial_text(item.trial, lambda_dec=item.lambda_dec, design=self.surface.design, score=item.score)
                for item in self.shown
            ],
            marker=_TRIAL,
            customdata=[item.trial.proposal for item in self.shown],
        )

    def _failed(self) -> Any:
        return self._points(
            "failed",
            [(trial.lambda_enc, trial.lambda_dec) for trial in self.unscored],
            [
                trial_text(trial, lambda_dec=trial.lambda_dec, design=trial.design, score=None)
                for trial in self.unscored
            ],
            marker=_FAILED | {"symbol": [_FAILED_SYMBOLS[trial.pruned_after is None] for trial in self.unscored]},
            customdata=[trial.proposal for trial in self.unscored],
        )

    def _path(self) -> go.Scatter | None:
        path = search_path(self.shown, self.cell.goal)
        if len(path) < 2:
            return None
        return go.Scatter(
            x=self.decoder.places(item.lambda_dec for item in path),
            y=self.encoder.places(item.trial.lambda_enc for item in path),
            mode="lines",
            line=_PATH,
            hoverinfo="skip",
            name="search path",
        )

    def _pairs(self) -> list[Any]:
        """Return the single pairs: (0, 0), that of the policy and, above all, the one chosen."""
        found = []
        if 0.0 in self.surface.lambda_encs and 0.0 in self.surface.lambda_decs:
            found.append(self._points("(0, 0)", [(0.0, 0.0)], [self._origin_text()], marker=_ORIGIN))
        if self.entry and self.policy:
            pair = (self.policy.lambda_enc, self.entry.lambda_dec)
            found.append(self._points("policy", [pair], [f"<b>policy</b><br>{pair_text(*pair)}"], marker=_POLICY))
        if self.chosen:
            chosen = (self.chosen.lambda_enc, self.chosen.lambda_dec)
            found.append(self._points("chosen", [chosen], [self._chosen_text(chosen)], marker=_CHOSEN))
        return found

    def _origin_text(self) -> str:
        row = self.surface.values[self.surface.lambda_encs.index(0.0)]
        value = row[self.surface.lambda_decs.index(0.0)]
        return f"<b>(0, 0)</b>, neither smooths<br>{MEASURE_LABELS[self.surface.metric]} {value:.4g}"

    def _chosen_text(self, pair: tuple[float, float]) -> str:
        entry, best = self.cell.entry, self.cell.best
        score = entry.tuning if entry else best.score if best else None
        title = "<b>chosen</b>, on the tuning draws" if entry else "<b>best so far</b>"
        return "<br>".join([title, pair_text(*pair), *([score_text(score)] if score else [])])

    def _points(
        self,
        name: str,
        pairs: Iterable[tuple[float, float]],
        texts: list[str],
        *,
        marker: dict[str, Any],
        customdata: list[int] | None = None,
    ) -> Any:
        """Return a trace of marks at pairs (λ_enc, λ_dec), or None for none."""
        if not texts:
            return None
        encoders, decoders = zip(*pairs, strict=True)
        kind = go.Scattergl if len(texts) >= _GL_FROM else go.Scatter
        return kind(
            x=self.decoder.places(decoders),
            y=self.encoder.places(encoders),
            mode="markers",
            marker=marker,
            hovertext=texts,
            hoverinfo="text",
            customdata=customdata,
            name=name,
        )


def _policy_entry(policy: Policy | None, cell: CellHistory, design: Design) -> PolicyEntry | None:
    """Return the policy's pair for a cell, where it is of the design that is shown."""
    if policy is None or policy.design != design:
        return None
    return next((entry for entry in policy.entries if entry.stragglers == cell.cell.stragglers), None)
