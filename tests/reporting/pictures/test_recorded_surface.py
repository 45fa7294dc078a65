from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import Goal
from nercc_tune.reporting.pictures.recorded_surface import recorded_surface
from tests.builders import ENCODERS, GRID, cell_history, searched


def test_it_holds_the_profiles_by_encoder() -> None:
    cell = cell_history(40)
    surface = recorded_surface(replace(cell, trials=cell.trials[::-1]), grid=GRID)
    assert surface is not None
    assert (surface.lambda_encs, surface.lambda_decs) == (tuple(sorted(ENCODERS)), GRID)
    assert surface.values == tuple(cell.profiles[value] for value in sorted(ENCODERS))
    assert cell.best is not None
    assert surface.design == cell.best.design
    assert surface.metric == "mse"


def test_its_metric_is_the_error_of_the_goal() -> None:
    surface = recorded_surface(cell_history(40, goal=Goal(metric="agreement")), grid=GRID)
    assert surface is not None
    assert surface.metric == "prob_mse"


def test_without_a_profile_there_is_none() -> None:
    cell = cell_history(40)
    assert recorded_surface(replace(cell, trials=cell.trials[-1:]), grid=GRID) is None
    assert recorded_surface(searched(40), grid=GRID) is None


def test_a_grid_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`values` must have 10 rows of 2, but got 10 of \[30\]"):
        recorded_surface(cell_history(40), grid=(0.0, 1.0))
