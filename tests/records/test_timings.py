from __future__ import annotations

import time

import pytest

from nercc_tune.records.timings import Timings


def _sleep_and_fail() -> None:
    time.sleep(0.01)
    raise TypeError("not an integer")


def test_seconds_add_up_by_stage() -> None:
    timings = Timings()
    assert timings.seconds == {}
    for _ in range(3):
        with timings.measure("forward"):
            time.sleep(0.01)
    with timings.measure("decode"):
        pass
    assert set(timings.seconds) == {"forward", "decode"}
    # `sleep` never returns early; a loaded machine may let it oversleep by much.
    assert timings.seconds["forward"] >= 0.029
    assert 0 <= timings.seconds["decode"] < timings.seconds["forward"]


def test_a_stage_that_failed_took_time_too() -> None:
    timings = Timings()
    with pytest.raises(TypeError, match="integer"), timings.measure("data"):
        _sleep_and_fail()
    assert timings.seconds["data"] >= 0.009
