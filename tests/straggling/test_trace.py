from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling import Part, Trace, TraceLatencies

_LATENCIES = np.arange(1.0, 41.0).reshape(10, 4)
_TRACE = Trace(latencies=_LATENCIES)


def test_the_parts_follow_each_other_in_time() -> None:
    parts: tuple[Part, ...] = ("tuning", "validation", "heldout")
    models = [_TRACE.model(workers=4, part=part) for part in parts]
    assert [model.limit for model in models] == [4, 2, 4]
    assert np.array_equal(np.concatenate([model.latencies for model in models]), _LATENCIES)


def test_the_first_workers_are_used() -> None:
    model = _TRACE.model(workers=3, part="tuning")
    assert model.workers == 3
    assert np.array_equal(model.latencies, _LATENCIES[:4, :3])


def test_five_iterations_are_enough() -> None:
    trace, parts = Trace(latencies=_LATENCIES[:5]), ("tuning", "validation", "heldout")
    assert [trace.model(workers=4, part=part).limit for part in parts] == [2, 1, 2]  # type: ignore[arg-type]  # names
    with pytest.raises(TraceError, match=r"must have at least 5 iterations, .* but has 4; record more"):
        Trace(latencies=_LATENCIES[:4]).model(workers=4, part="tuning")


def test_each_iteration_is_sampled_once_and_whole() -> None:
    model = _TRACE.model(workers=4, part="heldout")
    sample = model.sample(4, seed=0)
    assert np.array_equal(sample[sample[:, 0].argsort()], _LATENCIES[6:])


def test_samples_are_those_of_the_seed() -> None:
    model = TraceLatencies(latencies=np.arange(1.0, 101.0)[:, None])
    first, same, other = (model.sample(30, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.array_equal(model.sample(5, seed=0), first[:5])
    assert not np.array_equal(np.sort(first, axis=0), first)


def test_a_sample_is_a_copy() -> None:
    model = _TRACE.model(workers=4, part="tuning")
    model.sample(3, seed=0)[:] = 0.0
    assert (_TRACE.latencies > 0).all()


def test_more_iterations_than_there_are_are_refused() -> None:
    model = _TRACE.model(workers=4, part="tuning")
    with pytest.raises(TraceError, match=r"part of the trace has 4 iterations, but 5 are asked for; ask for fewer"):
        model.sample(5, seed=0)
    with pytest.raises(ValueError, match=r"`iterations` must be at least 1, but got 0\."):
        model.sample(0, seed=0)


def test_more_workers_than_there_are_are_refused() -> None:
    with pytest.raises(TraceError, match=r"The trace has 4 workers, but 5 are asked for; ask for fewer"):
        _TRACE.model(workers=5, part="tuning")
    with pytest.raises(ValueError, match=r"`workers` must be at least 1, but got 0\."):
        _TRACE.model(workers=0, part="tuning")


def test_there_are_three_parts() -> None:
    with pytest.raises(ValueError, match=r"`part` must be one of tuning, validation, heldout, but got third\."):
        _TRACE.model(workers=4, part="third")  # type: ignore[arg-type]  # what is tested


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
