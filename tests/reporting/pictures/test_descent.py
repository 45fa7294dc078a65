from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.reporting.pictures.descent import Descent
from tests.builders import pruned, score, searched


def _steps(descent: Descent) -> list[tuple[int, float, bool]]:
    return [(step.trial.proposal, step.ratio, step.is_better) for step in descent.steps]


def test_steps_are_the_least_error_so_far_relative_to_the_origin() -> None:
    cell = searched(40, mses=(0.05, 0.1, None, 0.02, 0.04))
    fourth = pytest.approx(0.4)
    for trials in (cell.trials, cell.trials[::-1]):
        descent = Descent.of(replace(cell, trials=trials))
        assert descent.name == "S = 40"
        assert _steps(descent) == [(0, 1.0, True), (1, 1.0, False), (3, fourth, True), (4, fourth, False)]


def test_what_failed_is_at_the_height_of_the_line_and_what_was_pruned_is_not_there() -> None:
    cell = searched(40, mses=(None, 0.1, 0.02, None))
    cell = replace(cell, trials=(*cell.trials, pruned(replace(cell.trials[2], number=4, proposal=4))))
    assert [(step.trial.proposal, step.ratio) for step in Descent.of(cell).failed] == [
        (0, 2.0),
        (3, pytest.approx(0.4)),
    ]


def test_without_an_origin_there_is_nothing() -> None:
    for baselines in ({}, {"nercc_ag": score(0.0)}):
        cell = searched(40, mses=(None, 0.1))
        descent = Descent.of(replace(cell, baselines=baselines))
        assert (descent.steps, descent.failed) == ((), ())
