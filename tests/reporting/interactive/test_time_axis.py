from __future__ import annotations

import math

import pytest

from nercc_tune.reporting.interactive.time_axis import LEAST_MS, time_axis


@pytest.mark.parametrize("times", [[3.0], [0.5, 700.0], [1.0, 1e7], [0.0, 20.0], []])
def test_all_times_are_in_sight_with_ticks_written_out(times: list[float]) -> None:
    axis = time_axis(times, "latency [ms]")
    low, high = axis["range"]
    assert all(low < math.log10(max(LEAST_MS, time)) < high for time in times)
    assert [float(text) for text in axis["ticktext"]] == axis["tickvals"]
    assert 1 <= len(axis["tickvals"]) <= 12
    assert all(low <= math.log10(tick) <= high for tick in axis["tickvals"])


def test_few_decades_have_ticks_between_them() -> None:
    assert time_axis([20.0, 500.0], "")["ticktext"] == ["20", "50", "100", "200", "500"]
