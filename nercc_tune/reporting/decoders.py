"""What each decoder makes of the search's outputs, and what it was set to."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nercc_tune.records import DEGREES, NODE_DECODERS, CellHistory, DecoderKind, Option, StudyHistory
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.scales import set_mse_scale
from nercc_tune.reporting.style import CODES, CodeStyle, dress, legend_above, new_figure

__all__ = ["best_by_decoder", "figure_decoders", "has_decoders"]

_STYLES: dict[DecoderKind, CodeStyle] = {
    "spline": CodeStyle(label="spline", colour=CODES["tuned"].colour, marker="o"),
    "kriging": CodeStyle(label="kriging", colour=CODES["nercc_ag"].colour, marker="s"),
    "calibrated": CodeStyle(label="calibrated", colour=CODES["policy"].colour, marker="^"),
    **{
        kind: CodeStyle(label=f"rational of degree {degree}", colour=CODES["bacc"].colour, marker=f"${degree}$")
        for kind, degree in DEGREES.items()
    },
}
_SHOWN = {"range": "range ℓ, in gaps", "weight": "weight w of the moments", "temperature": "temperature κ"}


def has_decoders(history: StudyHistory) -> bool:
    """Whether a trial was decoded by something else than a spline."""
    return any(set(best_by_decoder(cell)) - {"spline"} for cell in history.cells)


def best_by_decoder(cell: CellHistory) -> Mapping[DecoderKind, Option]:
    """Return the best reading of all trials with each decoder, by the goal on the tuning draws."""
    options = [option for trial in cell.trials for option in trial.options]
    found = {
        kind: min(
            (option for option in options if option.decoder == kind),
            key=lambda option: cell.goal.rank(option.score),
            default=None,
        )
        for kind in NODE_DECODERS
    }
    return {kind: option for kind, option in found.items() if option is not None}


def figure_decoders(history: StudyHistory) -> Figure:
    """Draw the least error on the tuning draws that each decoder makes, and its parameters there, against S.

    Each point has the encoder, the assignment and the decode space that are best with that decoder. Replication on the
    same draws is the grey line.
    """
    figure = new_figure(4.6)
    panels = figure.subplots(2, 2).ravel()
    best = {cell.cell.stragglers: best_by_decoder(cell) for cell in history.cells}
    error = history.goal.error
    shown: list[float] = []
    present = {
        kind: style for kind, style in _STYLES.items() if kind not in DEGREES or any(kind in of for of in best.values())
    }
    for kind, style in present.items():
        points = {count: history.goal.error_of(of[kind].score) for count, of in best.items() if kind in of}
        shown += points.values()
        _line(panels[0], points, style)
    replication = {
        cell.cell.stragglers: history.goal.error_of(cell.baselines["replication"])
        for cell in history.cells
        if "replication" in cell.baselines
    }
    _line(panels[0], replication, CODES["replication"])
    set_mse_scale(panels[0], [*shown, *replication.values()])
    dress(panels[0], x="stragglers S", y=MEASURE_LABELS[error], title="least error on the tuning draws")
    for axes, (name, label) in zip(panels[1:], _SHOWN.items(), strict=True):
        for kind, style in present.items():
            if kind in DEGREES:
                continue
            kernels = {count: of[kind].kernel for count, of in best.items() if kind in of}
            values = {count: float(getattr(kernel, name)) for count, kernel in kernels.items() if kernel is not None}
            _line(axes, values, style)
        dress(axes, x="stragglers S", y=label, title="")
        axes.set_ylim(bottom=0)
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    styles = [*present.values(), CODES["replication"]]
    legend_above(
        figure, [Line2D([], [], color=item.colour, marker=item.marker, label=item.label) for item in styles], columns=4
    )
    return figure


def _line(axes: Axes, points: Mapping[int, float], style: CodeStyle) -> None:
    counts = sorted(points)
    axes.plot(
        counts,
        [points[count] for count in counts],
        color=style.colour,
        marker=style.marker,
        markersize=4,
        linewidth=1.2,
    )
