from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray

from nercc_tune.straggling import Arrivals


def _longest_run(arrived: NDArray[np.bool_]) -> int:
    return max((len(list(run)) for has_arrived, run in groupby(arrived) if not has_arrived), default=0)


def test_stragglers_are_counted_mask_by_mask() -> None:
    arrived = np.array([[True, True, True], [False, True, False]])
    assert Arrivals(arrived=arrived).stragglers.tolist() == [0, 2]


def test_longest_runs_equal_brute_force() -> None:
    arrived = np.random.default_rng(0).random((400, 13)) < 0.4
    arrived = arrived[arrived.any(axis=1)]
    runs = Arrivals(arrived=arrived).longest_runs
    assert runs.tolist() == [_longest_run(row) for row in arrived]


def test_the_last_and_the_first_worker_are_not_neighbours() -> None:
    assert Arrivals(arrived=np.array([[False, True, True, False, False]])).longest_runs.tolist() == [2]


_SOMEBODY = np.array([[True, False], [False, True]])


@pytest.mark.parametrize(
    ("arrived", "waiting", "message"),
    [
        (
            np.ones(3, dtype=np.bool_),
            None,
            r"`arrived` must be booleans \[masks, workers\], but got bool of shape \(3,\)",
        ),
        (np.ones((2, 3)), None, r"`arrived` must be booleans .*, but got float64 of shape \(2, 3\)"),
        (np.ones((0, 3), dtype=np.bool_), None, r"`arrived` must be booleans .*, but got bool of shape \(0, 3\)"),
        (
            np.array([[True, False], [False, False]]),
            None,
            r"`arrived` must have .* every mask, but got none in mask 1\.",
        ),
        (_SOMEBODY, np.ones(3), r"`waiting` must be one time for each of 2 masks, but got \(3,\)"),
        (_SOMEBODY, np.array([1.0, 0.0]), r"`waiting` must be positive and finite, but got 0\.0"),
        (_SOMEBODY, np.array([np.nan, 1.0]), r"`waiting` must be positive and finite, but got nan"),
        (_SOMEBODY, np.array([1.0, np.inf]), r"`waiting` must be positive and finite, but got inf"),
    ],
)
def test_what_no_model_can_draw_is_refused(
    arrived: NDArray[np.bool_], waiting: NDArray[np.float64] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Arrivals(arrived=arrived, waiting=waiting)
