"""How the networks of trained codes came about."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nercc_tune.records import StudyHistory, TrialRecord
from nercc_tune.reporting.style import INK, cell_colours, dress, legend_above, new_figure

__all__ = ["figure_trainings", "has_trainings"]

_FAINT, _THIN, _THICK = 0.5, 1.0, 2.2


def has_trainings(history: StudyHistory) -> bool:
    """Whether the study's codes are trained."""
    return bool(history.spec.get("code", {}).get("kind", "nercc") != "nercc")


def figure_trainings(history: StudyHistory) -> Figure:
    """Draw the validation accuracy of every training against the epoch, coloured by what parity workers are sent.

    It is the share of the validation queries whose reconstruction has the base model's class. The best trial of the
    first cell is drawn thick; a cross ends a training that was given up.
    """
    figure = new_figure(2.9)
    axes = figure.subplots()
    dress(axes, x="epoch", y="validation accuracy")
    trials = [trial for trial in history.cells[0].trials if trial.epochs]
    mixers = sorted({_mixer(trial) for trial in trials})
    colours = dict(zip(mixers, cell_colours(len(mixers)), strict=True))
    best = history.cells[0].best
    for trial in trials:
        is_best = best is not None and trial.uid == best.uid
        epochs = range(1, len(trial.epochs) + 1)
        values = [epoch.agreement for epoch in trial.epochs]
        colour, alpha = colours[_mixer(trial)], 1.0 if is_best else _FAINT
        axes.plot(epochs, values, linewidth=_THICK if is_best else _THIN, color=colour, alpha=alpha)
        if trial.pruned_after is not None:
            axes.plot(epochs[-1], values[-1], marker="x", markersize=5, color=colour, alpha=alpha)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    handles = [Line2D([], [], color=colours[mixer], label=mixer) for mixer in mixers]
    if any(trial.pruned_after is not None for trial in trials):
        handles.append(Line2D([], [], color=INK, marker="x", linestyle="none", label="given up"))
    legend_above(figure, handles, columns=min(len(handles), 6))
    return figure


def _mixer(trial: TrialRecord) -> str:
    return trial.design.training.mixer if trial.design.training is not None else ""
