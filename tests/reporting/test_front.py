from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.reporting.front import figure_front, has_front
from nercc_tune.reporting.style import CODES
from tests.builders import score, study_history
from tests.reporting.panels import colour, draw, is_inside, legend, marked, panels
from tests.variants import in_ranges, pareto_study

_FRONT = (4, 1, 2, 0)
"""Of the trials of `pareto_study`, ascending in error."""


def _tuning(cell: CellHistory, *numbers: int) -> list[tuple[float, float | None]]:
    scores = [cell.trials[number].score for number in numbers]
    return [(item.prob_mse, item.rel_acc) for item in scores if item]


def _bars(axes: Axes) -> list[tuple[float, float, float, float]]:
    """Return the extents (x0, x1, y0, y1) of the pairs of bars, in the order in which they were drawn."""
    crosses = [container[2] for container in axes.containers]
    ends = [(np.asarray(x.get_segments()[0]), np.asarray(y.get_segments()[0])) for x, y in crosses]
    return [(x[0, 0], x[1, 0], y[0, 1], y[1, 1]) for x, y in ends]


def _with_trial(history: StudyHistory, mse: float, rel_acc: float | None) -> StudyHistory:
    cell = history.cells[0]
    extra = replace(cell.trials[0], number=50, proposal=50, score=score(mse, rel_acc=rel_acc))
    return replace(history, cells=(replace(cell, trials=(*cell.trials, extra)), *history.cells[1:]))


def test_trials_are_dots_and_their_front_is_steps() -> None:
    history = pareto_study()
    for axes, cell in zip(panels(figure_front(history)), history.cells, strict=True):
        assert marked(axes, "trial") == _tuning(cell, *range(6))
        assert marked(axes, "front") == _tuning(cell, *_FRONT)
        (steps,) = [line for line in axes.lines if line.get_label() == "front"]
        assert steps.get_drawstyle() == "steps-post"


def test_the_front_is_judged_with_intervals() -> None:
    history = pareto_study()
    for axes, cell in zip(panels(figure_front(history)), history.cells, strict=True):
        assert cell.entry is not None
        judged = [point.heldout for point in cell.entry.front]
        expected = [(item.prob_mse.mean, item.rel_acc.mean) for item in judged if item.rel_acc]
        assert marked(axes, "held out") == expected
        ends = [
            (item.prob_mse.low, item.prob_mse.high, item.rel_acc.low, item.rel_acc.high)
            for item in judged
            if item.rel_acc
        ]
        assert np.allclose(_bars(axes)[: len(ends)], ends)


def test_the_chosen_code_and_the_baselines_are_marked_on_the_same_draws() -> None:
    history = pareto_study()
    for axes, cell in zip(panels(figure_front(history)), history.cells, strict=True):
        assert cell.entry is not None
        items = {
            "chosen": cell.entry.heldout,
            "bacc": cell.entry.baselines["bacc"],
            "nercc_ag": cell.entry.baselines["nercc_ag"],
        }
        for name, item in items.items():
            assert item.rel_acc is not None
            assert marked(axes, name) == [(item.prob_mse.mean, item.rel_acc.mean)]
    handles = legend(figure_front(history))
    for name in ("bacc", "nercc_ag"):
        assert colour(handles[CODES[name].label]) == CODES[name].colour


def test_an_unfinished_study_shows_the_baselines_on_the_tuning_draws() -> None:
    history = pareto_study(is_judged=False)
    figure = draw(figure_front(history))
    assert "chosen, held out" not in legend(figure)
    for axes, cell in zip(panels(figure), history.cells, strict=True):
        assert marked(axes, "bacc") == [(cell.baselines["bacc"].prob_mse, cell.baselines["bacc"].rel_acc)]
        assert not axes.containers
        assert not marked(axes, "chosen")


def test_a_trial_that_is_much_worse_is_left_outside() -> None:
    history = _with_trial(pareto_study(), 50.0, 0.01)
    axes = panels(draw(figure_front(history)))[0]
    assert (25.0, 0.01) in marked(axes, "trial")
    assert axes.get_xlim()[1] < 25
    assert axes.get_ylim()[0] > 0.5
    for name in ("front", "held out", "chosen", "bacc", "nercc_ag"):
        for x, y in marked(axes, name):
            assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
            assert axes.get_ylim()[0] < y < axes.get_ylim()[1]


def test_an_error_over_decades_is_logarithmic() -> None:
    figure = figure_front(_with_trial(pareto_study(), 1e-5, 0.5))
    assert [axes.get_xscale() for axes in panels(figure)] == ["log", "linear"]


def test_a_trial_without_rel_acc_is_left_out() -> None:
    axes = panels(draw(figure_front(_with_trial(pareto_study(), 1e-5, None))))[0]
    assert len(marked(axes, "trial")) == 6


def test_axes_and_panels_are_named() -> None:
    figure = figure_front(in_ranges(pareto_study()))
    assert {(axes.get_xlabel(), axes.get_ylabel()) for axes in panels(figure)} == {("MSE (probabilities)", "RelAcc")}
    assert [axes.get_title(loc="left") for axes in panels(figure)] == ["S = 0–40", "S = 41–80"]


@pytest.mark.parametrize("counts", [(40,), (20, 40, 80, 100, 120)])
@pytest.mark.parametrize("is_judged", [True, False])
def test_everything_lies_within_the_figure(counts: tuple[int, ...], is_judged: bool) -> None:
    assert is_inside(draw(figure_front(pareto_study(stragglers=counts, is_judged=is_judged))))


def test_a_cell_without_a_trial_draws() -> None:
    history = pareto_study(is_judged=False)
    empty = replace(history.cells[0], trials=(), baselines={})
    axes = panels(draw(figure_front(replace(history, cells=(empty, history.cells[1])))))[0]
    assert not marked(axes, "front")


def test_it_applies_to_two_goals_with_labels_alone() -> None:
    history = pareto_study()
    assert has_front(history)
    assert not has_front(study_history())
    blind = [replace(trial, score=score(0.1, rel_acc=None)) for trial in history.cells[0].trials]
    assert not has_front(replace(history, cells=(replace(history.cells[0], trials=tuple(blind)),)))
