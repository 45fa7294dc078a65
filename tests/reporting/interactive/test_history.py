from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import CellHistory
from nercc_tune.reporting.interactive import plot_history
from tests.builders import cell_history, score, searched
from tests.reporting.interactive.traces import check, named, names, plain


def test_each_cell_has_the_best_so_far_relative_to_the_origin() -> None:
    figure = plot_history([searched(40), searched(60)])
    check(figure)
    assert names(figure) == ["NeRCC at (0, 0)", "S = 40", "S = 60"]
    line = named(figure, "S = 40")
    assert list(line.x) == [0, 1, 3]
    assert list(line.y) == pytest.approx([1.0, 0.8, 0.8])
    assert line.line.shape == "hv"
    assert "proposal 1" in plain(line.hovertext[1])
    assert "0.8 of (0, 0)" in line.hovertext[1]


def test_a_failed_proposal_is_crossed_at_the_height_of_the_line() -> None:
    crosses = named(plot_history([searched(40)]), "S = 40, failed")
    assert list(crosses.x) == [2]
    assert list(crosses.y) == pytest.approx([0.8])
    assert "not finite" in crosses.hovertext[0]
    early = named(plot_history([searched(40, mses=(None, 0.04))]), "S = 40, failed")
    assert list(early.y) == pytest.approx([0.8])


@pytest.mark.parametrize(
    "cell",
    [
        replace(searched(40), baselines={"nercc_ag": score(0.0)}),
        replace(searched(40), baselines={}, trials=searched(40).trials[1:]),
        replace(searched(40), trials=()),
    ],
)
def test_without_an_origin_or_a_trial_there_is_no_line(cell: CellHistory) -> None:
    figure = plot_history([cell])
    check(figure)
    assert names(figure) == ["NeRCC at (0, 0)"]


def test_the_first_trial_stands_in_for_the_baseline() -> None:
    cell = cell_history(40)
    trials = [replace(trial, lambda_dec=0.0) if not trial.lambda_enc else trial for trial in cell.trials]
    figure = plot_history([replace(cell, baselines={}, trials=tuple(trials))])
    assert named(figure, "S = 40").y[0] == 1.0


def test_large_gains_are_logarithmic() -> None:
    assert plot_history([searched(40)]).layout.yaxis.type is None
    assert plot_history([searched(40, mses=(0.05, 0.001))]).layout.yaxis.type == "log"


def test_an_error_of_zero_draws() -> None:
    figure = plot_history([searched(40, mses=(0.05, 0.0))])
    check(figure)
    assert figure.layout.yaxis.ticktext[0] == "0"
    assert named(figure, "S = 40").y[1] == figure.layout.yaxis.tickvals[0]
