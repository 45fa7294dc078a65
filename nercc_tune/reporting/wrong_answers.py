"""What came of wrong answers of each kind, and what distrust costs where none is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, PercentFormatter

from nercc_tune.export.table import TunedTable
from nercc_tune.export.wrong_answers import write_bare_percent, wrong_answers_of
from nercc_tune.records import CODE_NAMES, Interval, WrongAnswers
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.scales import set_mse_scale
from nercc_tune.reporting.series import MARKER_PT, reach
from nercc_tune.reporting.style import CODES, INK, TEXT_PT, TICK_PT, Mark, dress, legend_above, new_figure

__all__ = ["figure_wrong_answers", "has_wrong_answers"]

_NONE = "none wrong"
_MARKS = {
    CODE_NAMES["tuned"]: Mark(marker=CODES["tuned"].marker, colour=CODES["tuned"].colour, size=MARKER_PT),
    "told which are wrong": Mark(marker="D", colour=INK, size=MARKER_PT),
    "believing all": Mark(marker="X", colour=CODES["bacc"].colour, size=MARKER_PT + 1),
}
"""The tuned code; the oracle; the tuned code without its distrust, which is known where no answer is wrong."""

_LABELS = ("of the wrong answers", "of the right answers", MEASURE_LABELS["prob_mse"])
_WIDTHS = (1.0, 1.0, 1.5)
_FRAME_IN = 0.75  # of a row of panels: title and ticks
_LINE_IN = 0.2  # for each kind
_BAR = 0.62  # of the height of a line
_DODGE = 0.17  # between two marks on one line, so that their intervals can be told apart
_ROOM = 1.3  # of the longest bar, for the figure behind it
_MOST_TICKS = 3
_LEAST_SCALE = 0.01  # shares below it are told by their figures


def has_wrong_answers(table: TunedTable) -> bool:
    """Whether the study had wrong answers."""
    return bool(wrong_answers_of(table))


def figure_wrong_answers(table: TunedTable) -> Figure:
    """Draw for each S, a row of panels, and each kind of wrong answers, a line, what the tuned code made of them.

    First the share of the wrong answers that it found, then the share of the right ones that it accused, then its error
    with 95 % intervals beside that of an oracle which is told the wrong answers and decodes without them. The lowest
    line is for the same masks without a wrong answer, where the code is compared with itself when it believes all.

    Raises:
        ValueError: If the study had no wrong answers.
    """
    found = wrong_answers_of(table)
    if not found:
        raise ValueError("`table` must hold what came of wrong answers, but got none.")
    heights = [_FRAME_IN + _LINE_IN * (len(wrong.detections) + 1) for wrong in found.values()]
    figure = new_figure(0.4 + sum(heights))
    grid = figure.subplots(len(found), 3, squeeze=False, width_ratios=_WIDTHS, height_ratios=heights)
    for row, (count, wrong) in zip(grid, found.items(), strict=True):
        _draw_row(row, wrong, count=count)
    for axes, label in zip(grid[-1], _LABELS, strict=True):
        axes.set_xlabel(label, fontsize=TEXT_PT, color=INK)
    legend_above(figure, [mark.at([], label=name) for name, mark in _MARKS.items()], columns=len(_MARKS))
    return figure


def _draw_row(row: Sequence[Axes], wrong: WrongAnswers, *, count: str) -> None:
    found, accused, error = row
    lines = [*(item.kind for item in wrong.detections), _NONE]
    dress(found, title=f"S = {count}: found")
    dress(accused, title="falsely accused")
    dress(error, title="error")
    _draw_bars(found, [*(item.found_share for item in wrong.detections), math.nan], top=1.0)
    shares = [*(item.accused_share for item in wrong.detections), wrong.false_alarms]
    _draw_bars(accused, shares, top=max(_LEAST_SCALE, *(share for share in shares if not math.isnan(share))))
    found.xaxis.set_major_locator(FixedLocator([0.0, 0.5, 1.0]))
    _draw_errors(error, wrong)
    for axes in row:
        axes.set_yticks(range(len(lines)), lines if axes is found else [""] * len(lines))
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")


def _draw_bars(axes: Axes, shares: Sequence[float], *, top: float) -> None:
    """Draw a bar for each share with its figure; none for what is not defined."""
    for place, share in enumerate(shares):
        defined = 0.0 if math.isnan(share) else share
        axes.barh(place, defined, height=_BAR, color=CODES["tuned"].colour)
        axes.annotate(
            write_bare_percent(share) + ("" if math.isnan(share) else " %"),
            (defined, place),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=TICK_PT,
            color=INK,
        )
    axes.set_xlim(0, _ROOM * top)
    axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=" %"))


def _draw_errors(axes: Axes, wrong: WrongAnswers) -> None:
    tuned, oracle, believing = _MARKS
    last = len(wrong.detections)
    points: Mapping[str, Mapping[float, Interval]] = {
        tuned: {**{place: item.prob_mse for place, item in enumerate(wrong.detections)}, last: wrong.none_wrong},
        oracle: {place: item.oracle for place, item in enumerate(wrong.detections)},
        believing: {last: wrong.none_wrong_trusting},
    }
    for name, errors in points.items():
        mark, aside = _MARKS[name], -_DODGE if name == tuned else _DODGE
        axes.errorbar(
            [error.mean for error in errors.values()],
            [place + aside for place in errors],
            xerr=list(zip(*map(reach, errors.values()), strict=True)),
            fmt="none",
            ecolor=mark.colour,
            elinewidth=0.9,
            capsize=1.5,
        )
        axes.add_line(mark.at([(error.mean, place + aside) for place, error in errors.items()], label=name))
    set_mse_scale(axes, [error.mean for errors in points.values() for error in errors.values()], which="x")
