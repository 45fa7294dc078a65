"""What each of the two smoothing parameters does to the MSE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.reporting.pictures.lambda_scale import LambdaScale
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.scales import set_lambda_scale, set_mse_scale
from nercc_tune.reporting.style import CHOSEN, CODES, dress, legend_above, new_figure, write_inside

__all__ = ["figure_smoothing"]

_ZERO_STRIP = "#f3f3f3"
_HEADROOM = 2.0  # times the worst baseline: over-smoothing costs so much that the valley would vanish
_REFERENCES: dict[str, Literal["--", ":"]] = {"nercc_ag": "--", "bacc": ":"}


def figure_smoothing(history: StudyHistory) -> Figure:
    """Draw the MSE on the tuning draws against λ_dec (left) and λ_enc (right), a row for each cell.

    Left: the profile of the chosen λ_enc. Right: for every λ_enc the least error over the λ_dec of the grid and of the
    trials. Both with the design chosen, or the best one that a spline decodes. 0 has a grey strip of its own; the
    horizontal lines are NeRCC^Ag, which is (0, 0), and BACC; a star marks the pair of that design. The axis ends at
    twice the worse baseline, which over-smoothing exceeds.

    Reference:
        Moradi & Maddah-Ali 2024, figures 4 and 5.
    """
    figure = new_figure(0.5 + 1.9 * len(history.cells))
    decoder = LambdaScale.around(history.decoder_grid)
    encoder = LambdaScale.around(trial.lambda_enc for cell in history.cells for trial in cell.trials)
    for (left, right), cell in zip(figure.subplots(len(history.cells), 2, squeeze=False), history.cells, strict=True):
        profiles = _decoder_profile(cell, history.decoder_grid), _encoder_profile(cell)
        for axes, profile, scale in zip((left, right), profiles, (decoder, encoder), strict=True):
            _draw(axes, profile, cell=cell)
            set_lambda_scale(axes, scale, "x")
            axes.axvspan(*scale.zero_edges, color=_ZERO_STRIP, linewidth=0, zorder=0)
        references = [cell.goal.error_of(cell.baselines[name]) for name in _REFERENCES if name in cell.baselines]
        shown = [mse for profile in profiles for mse in profile.values()] + references
        right.sharey(left)
        set_mse_scale(left, shown, top=_HEADROOM * max(references, default=math.inf))
        chosen = cell.smoothed
        at = f", λ$_{{enc}}$ = {chosen.lambda_enc:.3g}" if chosen else ""
        label = MEASURE_LABELS[cell.goal.error]
        dress(left, x="λ$_{dec}$", y=label, title=f"S = {write_count(cell.cell)}{at}")
        dress(right, x="λ$_{enc}$", title=f"S = {write_count(cell.cell)}, best λ$_{{dec}}$ for each")
        _mark_chosen(left, right, cell=cell)
    legend_above(figure, _handles(history), columns=4)
    return figure


def _decoder_profile(cell: CellHistory, grid: tuple[float, ...]) -> dict[float, float]:
    chosen = cell.smoothed
    profile = cell.profiles.get(chosen.lambda_enc) if chosen else None
    return dict(zip(grid, profile, strict=True)) if profile else {}


def _encoder_profile(cell: CellHistory) -> dict[float, float]:
    least = {lambda_enc: min(profile) for lambda_enc, profile in sorted(cell.profiles.items())}
    chosen = cell.smoothed
    for trial in cell.trials:
        for option in trial.options if chosen and trial.lambda_enc in least else ():
            if chosen and trial.design.with_reading(option.reading) == chosen.design:
                least[trial.lambda_enc] = min(least[trial.lambda_enc], cell.goal.error_of(option.score))
    return least


def _draw(axes: Axes, profile: Mapping[float, float], *, cell: CellHistory) -> None:
    style = CODES["tuned"]
    if not profile:
        write_inside(axes, "no completed trial")
    for name, dashes in _REFERENCES.items():
        if name in cell.baselines:
            axes.axhline(
                cell.goal.error_of(cell.baselines[name]), color=CODES[name].colour, linestyle=dashes, linewidth=1.4
            )
    positive = [smoothing for smoothing in profile if smoothing > 0]
    axes.plot(
        positive, [profile[value] for value in positive], color=style.colour, marker=".", markersize=4, linewidth=1
    )
    if 0.0 in profile:
        axes.plot([0.0], [profile[0.0]], color=style.colour, marker=".", markersize=6, linestyle="none")


def _mark_chosen(left: Axes, right: Axes, *, cell: CellHistory) -> None:
    shown = cell.smoothed
    if shown is None:
        return
    for axes, smoothing in ((left, shown.lambda_dec), (right, shown.lambda_enc)):
        axes.add_line(CHOSEN.at([(smoothing, cell.goal.error_of(shown.score))], label="chosen", zorder=5))


def _mark_label(history: StudyHistory) -> str:
    if any(cell.smoothed is not None and not cell.smoothed.is_chosen for cell in history.cells):
        return "best with a spline decoder"
    return "chosen" if history.is_finished else "best so far"


def _handles(history: StudyHistory) -> list[Line2D]:
    tuned = CODES["tuned"].colour
    lines = [
        Line2D([], [], color=CODES[name].colour, linestyle=dashes, label=CODES[name].label)
        for name, dashes in _REFERENCES.items()
    ]
    return [
        Line2D([], [], color=tuned, marker=".", label="NeRCC"),
        CHOSEN.at([], label=_mark_label(history)),
        *lines,
    ]
