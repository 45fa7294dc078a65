from __future__ import annotations

from collections.abc import Mapping

import pytest

from nercc_tune.records import CellHistory
from nercc_tune.selection import choose_policy
from tests.fakes import tiny_spec

CELLS = tuple(CellHistory(cell=cell, baselines={}, trials=()) for cell in tiny_spec().cells)
Profiled = Mapping[int, Mapping[float, tuple[float, float]]]


def test_the_least_mean_regret_wins() -> None:
    """Regrets: λ_enc 0 has (1, 2), 1e-4 has (1.3, 1.2), 1e-2 has (4, 1): the means are 1.5, 1.25 and 2.5."""
    profiled: Profiled = {
        2: {0.0: (1e-7, 0.010), 1e-4: (2e-7, 0.013), 1e-2: (3e-7, 0.040)},
        4: {0.0: (1e-5, 0.800), 1e-4: (2e-5, 0.480), 1e-2: (3e-5, 0.400)},
    }
    chosen = choose_policy(CELLS, profiled)
    assert chosen.lambda_enc == 1e-4
    assert chosen.lambda_dec == {2: 2e-7, 4: 2e-5}


def test_a_cell_with_large_errors_does_not_outweigh_the_others() -> None:
    """By the sum of the errors 1e-4 would win, by a hair; relative to each cell's least it loses."""
    profiled: Profiled = {2: {0.0: (0.0, 0.001), 1e-4: (0.0, 0.010)}, 4: {0.0: (0.0, 1.00), 1e-4: (0.0, 0.98)}}
    assert choose_policy(CELLS, profiled).lambda_enc == 0.0


def test_only_what_every_cell_has_can_be_chosen() -> None:
    profiled: Profiled = {2: {0.0: (0.0, 0.1), 1e-4: (0.0, 0.01)}, 4: {0.0: (0.0, 0.1)}}
    assert choose_policy(CELLS, profiled).lambda_enc == 0.0


def test_the_smaller_smoothing_of_equals_wins() -> None:
    profiled: Profiled = {2: {1e-4: (0.0, 0.1), 1e-6: (0.0, 0.1)}, 4: {1e-4: (0.0, 0.1), 1e-6: (0.0, 0.1)}}
    assert choose_policy(CELLS, profiled).lambda_enc == 1e-6


def test_a_perfect_cell_leaves_the_choice_to_those_that_are_perfect_there() -> None:
    profiled: Profiled = {2: {0.0: (0.0, 0.0), 1e-4: (0.0, 0.1)}, 4: {0.0: (0.0, 0.2), 1e-4: (0.0, 0.1)}}
    assert choose_policy(CELLS, profiled).lambda_enc == 0.0


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(ValueError, match="`profiled` must hold at least one λ_enc for every cell, but got none"):
        choose_policy(CELLS, {2: {0.0: (0.0, 0.1)}, 4: {1e-4: (0.0, 0.1)}})
