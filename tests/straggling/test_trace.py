from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling import Trace, TraceLatencies

_LATENCIES = np.arange(1.0, 29.0).reshape(7, 4)
_TRACE = Trace(latencies=_LATENCIES)


def test_the_halves_are_earlier_and_later_and_share_no_iteration() -> None:
    tuning, heldout = (_TRACE.model(workers=4, half=half) for half in ("tuning", "heldout"))
    assert np.array_equal(tuning.latencies, _LATENCIES[:3])
    assert np.array_equal(heldout.latencies, _LATENCIES[3:])


def test_the_first_workers_are_used() -> None:
    model = _TRACE.model(workers=3, half="tuning")
    assert model.workers == 3
    assert np.array_equal(model.latencies, _LATENCIES[:3, :3])


def test_two_iterations_are_enough() -> None:
    trace = Trace(latencies=_LATENCIES[:2])
    assert [trace.model(workers=4, half=half).limit for half in ("tuning", "heldout")] == [1, 1]


def test_each_iteration_is_sampled_once_and_whole() -> None:
    model = _TRACE.model(workers=4, half="heldout")
    sample = model.sample(4, seed=0)
    assert np.array_equal(sample[sample[:, 0].argsort()], _LATENCIES[3:])


def test_samples_are_those_of_the_seed() -> None:
    model = TraceLatencies(latencies=np.arange(1.0, 101.0)[:, None])
    first, same, other = (model.sample(30, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.array_equal(model.sample(5, seed=0), first[:5])
    assert not np.array_equal(np.sort(first, axis=0), first)


def test_a_sample_is_a_copy() -> None:
    model = _TRACE.model(workers=4, half="tuning")
    model.sample(3, seed=0)[:] = 0.0
    assert (_TRACE.latencies > 0).all()


def test_more_iterations_than_there_are_are_refused() -> None:
    model = _TRACE.model(workers=4, half="tuning")
    with pytest.raises(TraceError, match=r"half of the trace has 3 iterations, but 4 are asked for; ask for fewer"):
        model.sample(4, seed=0)
    with pytest.raises(ValueError, match=r"`iterations` must be at least 1, but got 0\."):
        model.sample(0, seed=0)


def test_more_workers_than_there_are_are_refused() -> None:
    with pytest.raises(TraceError, match=r"The trace has 4 workers, but 5 are asked for; ask for fewer"):
        _TRACE.model(workers=5, half="tuning")
    with pytest.raises(ValueError, match=r"`workers` must be at least 1, but got 0\."):
        _TRACE.model(workers=0, half="tuning")


def test_there_are_two_halves() -> None:
    with pytest.raises(ValueError, match=r"`half` must be one of tuning, heldout, but got third\."):
        _TRACE.model(workers=4, half="third")  # type: ignore[arg-type]  # what is tested


def test_one_iteration_is_refused() -> None:
    with pytest.raises(TraceError, match=r"a trace must have at least 2 iterations, .* but has 1; record more"):
        Trace(latencies=_LATENCIES[:1])


@pytest.mark.parametrize("latencies", [np.ones(3), np.ones((3, 0)), np.ones((0, 3)), np.ones((2, 2), dtype=np.int64)])
def test_what_is_no_matrix_of_latencies_is_refused(latencies: NDArray[np.float64]) -> None:
    with pytest.raises(
        ValueError, match=r"`latencies` must be float64 \[iterations, workers\], but got (float|int)64 of"
    ):
        Trace(latencies=latencies)
    with pytest.raises(
        ValueError, match=r"`latencies` must be float64 \[iterations, workers\], but got (float|int)64 of"
    ):
        TraceLatencies(latencies=latencies)


@pytest.mark.parametrize("bad", [0.0, -1.5, math.inf, -math.inf])
def test_latencies_that_cannot_be_are_refused(bad: float) -> None:
    latencies = _LATENCIES.copy()
    latencies[[3, 2, 3], [0, 1, 1]] = bad
    message = rf"latencies must be positive and finite, but worker 1 has {bad} in iteration 2; correct it"
    with pytest.raises(TraceError, match=message):
        Trace(latencies=latencies)
    with pytest.raises(TraceError, match=message):
        TraceLatencies(latencies=latencies)


def test_missing_latencies_are_refused() -> None:
    latencies = _LATENCIES.copy()
    latencies[0, 0] = -1.0
    latencies[5, 2] = math.nan
    with pytest.raises(TraceError, match=r"iteration 5 lacks a latency of worker 2; record it"):
        Trace(latencies=latencies)
