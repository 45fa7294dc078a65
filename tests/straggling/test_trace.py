from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling import Part, Trace, TraceLatencies

_LATENCIES = np.arange(1.0, 41.0).reshape(10, 4)
_TRACE = Trace(latencies=_LATENCIES)
_PARTS: tuple[Part, ...] = ("tuning", "validation", "heldout")


def test_the_parts_follow_each_other_in_time() -> None:
    models = [_TRACE.model(workers=4, part=part) for part in _PARTS]
    assert [model.limit for model in models] == [4, 2, 4]
    assert np.array_equal(np.concatenate([model.latencies for model in models]), _LATENCIES)


def test_the_first_workers_are_used() -> None:
    model = _TRACE.model(workers=3, part="tuning")
    assert model.workers == 3
    assert np.array_equal(model.latencies, _LATENCIES[:4, :3])


def test_five_iterations_are_enough() -> None:
    trace = Trace(latencies=_LATENCIES[:5])
    assert [trace.model(workers=4, part=part).limit for part in _PARTS] == [2, 1, 2]
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


@pytest.mark.parametrize("bad", [0.0, -1.5, -math.inf, math.nan])
def test_latencies_that_cannot_be_are_refused(bad: float) -> None:
    latencies = _LATENCIES.copy()
    latencies[[3, 2, 3], [0, 1, 1]] = bad
    message = rf"latencies must be positive, but worker 1 has {bad} in iteration 2; correct it \(.*write `inf`"
    with pytest.raises(TraceError, match=message):
        Trace(latencies=latencies)
    with pytest.raises(TraceError, match=message):
        TraceLatencies(latencies=latencies)


def test_iterations_that_nobody_answers_are_in_no_part() -> None:
    latencies = _LATENCIES.copy()
    latencies[[1, 6], :3] = math.inf  # where worker 3 still answers
    latencies[4] = math.inf
    trace = Trace(latencies=latencies)
    for workers, left in ((4, [0, 1, 2, 3, 5, 6, 7, 8, 9]), (3, [0, 2, 3, 5, 7, 8, 9])):
        drawn = np.concatenate([trace.model(workers=workers, part=part).latencies for part in _PARTS])
        assert np.array_equal(drawn, latencies[left, :workers])
    assert trace.remarks(workers=3) == (
        "of the trace's 4 workers the first 3 are used",
        "9 of the trace's 30 answers (30.0%) never came: they are late, last or absent",
        "in 3 iterations of the trace no worker ever answers; no mask is drawn from them",
    )
    with pytest.raises(TraceError, match=r"at least 5 iterations, .* but has 4 with an answer; record more"):
        Trace(latencies=latencies[:5]).model(workers=4, part="tuning")


def test_a_trace_of_which_most_is_missing_asks_whether_it_is_meant() -> None:
    latencies = _LATENCIES.copy()
    latencies[:, 1:] = math.inf
    (remark,) = Trace(latencies=latencies).remarks(workers=4)
    assert remark.startswith("30 of the trace's 40 answers (75.0%) never came")
    assert remark.endswith("is the trace read as it is meant?")


def test_each_part_has_its_share_of_every_job() -> None:
    latencies = np.arange(1.0, 16.0)[:, None]
    trace = Trace(latencies=latencies, jobs=np.repeat([0, 1], [10, 5]))
    found = {part: trace.model(workers=1, part=part).latencies[:, 0].tolist() for part in _PARTS}
    assert found == {
        "tuning": [1.0, 2.0, 3.0, 4.0, 11.0, 12.0],
        "validation": [5.0, 6.0, 13.0],
        "heldout": [7.0, 8.0, 9.0, 10.0, 14.0, 15.0],
    }


def test_jobs_of_one_iteration_follow_each_other() -> None:
    trace = Trace(latencies=_LATENCIES, jobs=np.arange(10))
    assert np.array_equal(np.concatenate([trace.model(workers=4, part=p).latencies for p in _PARTS]), _LATENCIES)
    with pytest.raises(ValueError, match=r"`jobs` must be one for each iteration, but got \(9,\)"):
        Trace(latencies=_LATENCIES, jobs=np.arange(9))
