"""What error and what accuracy can be had together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, Goal, Heldout, Score, StudyHistory
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.scales import set_mse_scale
from nercc_tune.reporting.series import reach
from nercc_tune.reporting.style import CHOSEN, CODES, INK, Mark, dress, legend_above, new_figure
from nercc_tune.selection.choice import non_dominated

__all__ = ["figure_front", "has_front"]

_COLUMNS = 3  # at most
_ROOM = 1.25  # times the worst error that is looked at; trials that over-smooth are left outside
_MOST_TICKS = 5
_MARGIN = 0.06  # above and below, of the height
_REFERENCES = ("bacc", "nercc_ag")
_TRIAL = Mark(marker=".", colour="#9a9a9a", size=5)
_MARKS = {name: Mark(marker=CODES[name].marker, colour=CODES[name].colour, size=6) for name in _REFERENCES}
_HELDOUT = Mark(marker="o", colour=CODES["tuned"].colour, size=4)
_Point = tuple[float, float]


def has_front(history: StudyHistory) -> bool:
    """Whether error and RelAcc are both optimised, and some trial has both."""
    trials = [trial for cell in history.cells for trial in cell.trials]
    is_defined = any(trial.score is not None and trial.score.rel_acc is not None for trial in trials)
    return history.goal.metric == "pareto" and is_defined


def figure_front(history: StudyHistory) -> Figure:
    """Draw error and RelAcc of the trials, a panel for each cell: further up and further left is better.

    Dots are trials on the tuning draws, and the steps their front: the best RelAcc for at most such an error. What has
    bars was judged on the held-out draws, with 95 % intervals: the front, and in it the code that was chosen, BACC and
    (0, 0). Of a study that is not judged yet the two are shown on the tuning draws. Trials that are much worse than
    both are left outside.
    """
    cells = history.cells
    columns = 2 if len(cells) in (2, 4) else min(_COLUMNS, len(cells))
    rows = math.ceil(len(cells) / columns)
    figure = new_figure(0.7 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, cell in zip(panels, cells, strict=False):
        dress(axes, x=MEASURE_LABELS[cell.goal.error], y="RelAcc", title=f"S = {write_count(cell.cell)}")
        _draw(axes, cell)
    for axes in panels[len(cells) :]:
        axes.remove()
    legend_above(figure, _handles(history), columns=3)
    return figure


def _draw(axes: Axes, cell: CellHistory) -> None:
    goal, entry = cell.goal, cell.entry
    trials = _tuning(goal, [trial.score for trial in cell.trials])
    front = _tuning(goal, [trial.score for trial in non_dominated(cell.trials, goal)])
    references = {name: cell.baselines[name] for name in _REFERENCES if name in cell.baselines}
    judged: list[_Point] = []
    if trials:
        axes.add_line(_TRIAL.at(trials, label="trial", is_clipped=True))
        axes.add_line(_steps(front))
    for point in entry.front if entry else ():
        judged += _draw_judged(axes, goal, point.heldout, mark=_HELDOUT, label="held out")
    for name, score in references.items():
        if entry and name in entry.baselines:
            judged += _draw_judged(axes, goal, entry.baselines[name], mark=_MARKS[name], label=name)
        else:
            judged += _tuning(goal, [score])
            axes.add_line(_MARKS[name].at(_tuning(goal, [score]), label=name))
    if entry:
        judged += _draw_judged(axes, goal, entry.heldout, mark=CHOSEN, label="chosen")
    _limit(axes, trials, always=[*front, *judged])


def _steps(front: Sequence[_Point]) -> Line2D:
    return Line2D(
        [x for x, _ in front],
        [y for _, y in front],
        drawstyle="steps-post",
        color=INK,
        linewidth=0.9,
        label="front",
    )


def _draw_judged(axes: Axes, goal: Goal, heldout: Heldout, *, mark: Mark, label: str) -> list[_Point]:
    """Draw a point with its intervals, and return what must be within the panel."""
    error = heldout.mse if goal.error == "mse" else heldout.prob_mse
    if heldout.rel_acc is None:
        return []
    x, y = error.mean, heldout.rel_acc.mean
    (left, right), (below, above) = reach(error), reach(heldout.rel_acc)
    axes.errorbar(
        [x],
        [y],
        xerr=[[left], [right]],
        yerr=[[below], [above]],
        fmt="none",
        ecolor=mark.colour,
        elinewidth=0.9,
        capsize=1.5,
        zorder=3,
    )
    axes.add_line(mark.at([(x, y)], label=label, zorder=5 if mark is CHOSEN else 4))
    return [(x - left, y - below), (x + right, y + above)]


def _tuning(goal: Goal, scores: Sequence[Score | None]) -> list[_Point]:
    return [(goal.error_of(score), score.rel_acc) for score in scores if score and score.rel_acc is not None]


def _limit(axes: Axes, trials: Sequence[_Point], *, always: Sequence[_Point]) -> None:
    """Show all that must be seen, and of the trials those that are not much worse."""
    right = _ROOM * max((x for x, _ in always), default=1.0)
    shown = [*always, *(point for point in trials if point[0] <= right)]
    set_mse_scale(axes, [x for x, _ in shown], top=right, which="x")
    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))
    low, high = min((y for _, y in shown), default=0.0), max((y for _, y in shown), default=1.0)
    margin = _MARGIN * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + margin)


def _handles(history: StudyHistory) -> list[Line2D]:
    handles = [_TRIAL.at([], label="trial, tuning draws"), Line2D([], [], color=INK, label="their front")]
    if any(cell.entry is not None for cell in history.cells):
        handles += [_HELDOUT.at([], label="front, held out"), CHOSEN.at([], label="chosen, held out")]
    return [*handles, *(_MARKS[name].at([], label=CODES[name].label) for name in _REFERENCES)]
