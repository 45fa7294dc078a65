"""What is promised, and from which draws."""

from __future__ import annotations

import numpy as np
import pytest

from nercc_tune.planning.candidates import Draws, Stage
from nercc_tune.planning.proving import foreseen


def test_one_more_value_falls_into_the_interval_with_95_percent() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(10.0, 1.0, (4000, 9))
    hits = [(interval := foreseen(row[:8].tolist())).low <= row[8] <= interval.high for row in draws]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)  # 4000 draws spread by 0.0034; what was seen adds little


def test_what_was_seen_is_within() -> None:
    values = [1.0] * 30 + [50.0]
    found = foreseen(values)
    assert found.high == 50.0
    assert found.low <= 1.0


def test_equal_values_promise_themselves_and_bounds_are_kept() -> None:
    assert foreseen([2.0, 2.0, 2.0]).high == 2.0
    assert foreseen([0.0, 1.0], most=1.0).high == 1.0
    assert foreseen([0.0, 1.0]).low == 0.0


def test_one_value_promises_nothing() -> None:
    with pytest.raises(ValueError, match="`values` must be at least 2 for an interval, but got 1"):
        foreseen([1.0])


def test_no_draw_serves_two_ends() -> None:
    all_draws = [
        Draws(stage=stage, attempt=attempt, repeat=repeat)
        for stage in Stage
        for attempt in range(3)
        for repeat in range(4)
    ]
    seeds = [draws.seeds(seed) for draws in all_draws for seed in (0, 1)]
    assert len({one for pair in seeds for one in pair}) == 2 * len(seeds)
