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


def test_a_stage_inside_another_counts_for_itself_alone() -> None:
    timings = Timings()
    with timings.measure("judging"):
        time.sleep(0.01)
        for _ in range(2):
            with timings.measure("forward"):
                time.sleep(0.03)
                with timings.measure("encode"):
                    pass
        with pytest.raises(TypeError, match="integer"), timings.measure("forward"):
            _sleep_and_fail()
    with timings.measure("decode"):
        time.sleep(0.01)
    assert timings.seconds["forward"] >= 0.068
    assert timings.seconds["decode"] >= 0.009
    assert 0.009 <= timings.seconds["judging"] < timings.seconds["forward"]


def test_stages_never_take_longer_than_the_clock_on_the_wall() -> None:
    timings, start = Timings(), time.perf_counter()
    with timings.measure("a"), timings.measure("b"), timings.measure("a"):
        time.sleep(0.01)
    assert 0.009 <= sum(timings.seconds.values()) <= time.perf_counter() - start
