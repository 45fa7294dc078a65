"""Schemes are measured under the same arrivals and slowness, each on workers of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nercc_tune.errors import SpecError
from nercc_tune.service.asking import Questions
from nercc_tune.service.bench import (
    BenchPlan,
    EngineBench,
    SimulatedBench,
    StatedTime,
    Trial,
    measure_service,
    run_bench,
    trials,
)
from nercc_tune.service.bench_results import BenchSettings
from nercc_tune.service.local_workers import LocalWorkers
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.rivals import Rival
from nercc_tune.service.schemes import plain, replicated
from nercc_tune.service.slowness import Slowness
from nercc_tune.service.slowness_settings import make_slowness
from nercc_tune.service.workers import Workers
from tests.service.results import bench_results


class _Hundredfold(nn.Module):
    """Answers a query, which is one-hot, with itself as logits."""

    def forward(self, queries: Tensor) -> Tensor:
        return 100 * queries


def _plan(*, slowness: str = "none", **changes: object) -> BenchPlan:
    settings: BenchSettings = replace(
        bench_results().settings,
        codes=("none", "replication"),
        workers=3,
        rates=(200.0,),
        queries=30,
        repeats=2,
        slowness="",
        service_ms=None,
    )
    settings = replace(settings, **changes)  # type: ignore[arg-type]  # its fields
    schemes = {"none": plain(2, name="none"), "replication": replicated(3)}
    rivals = {
        name: Rival(
            scheme=scheme, codec=PlainCodec(tasks=len(scheme.tasks)), networks=(_Hundredfold(),) * scheme.workers
        )
        for name, scheme in schemes.items()
    }
    labels = np.arange(4)
    return BenchPlan(
        settings=settings,
        rivals=rivals,
        questions=Questions(queries=torch.eye(4), plain=labels, labels=labels),
        slow_by=slowness,
    )


def _trial(code: str = "none", *, repeat: int = 0) -> Trial:
    return Trial(code=code, rate=200.0, repeat=repeat, seed=repeat)


def test_repeats_are_outermost_and_codes_share_their_seeds() -> None:
    settings = replace(_plan().settings, rates=(1.0, 2.0), seed=5)
    made = list(trials(settings))
    assert [(each.repeat, each.rate, each.code) for each in made[:3]] == [
        (0, 1.0, "none"), (0, 1.0, "replication"), (0, 2.0, "none")
    ]  # fmt: skip
    assert {(each.repeat, each.seed) for each in made} == {(0, 5), (1, 6)}
    assert len(made) == 8


def test_an_engine_answers_all_and_is_right() -> None:
    plan = _plan()
    run = EngineBench(plan=plan)(_trial("replication"))
    measured = run.measured
    assert (run.scheme, len(run.sources), run.refusals) == ("replication", 24, ())
    assert measured.is_right is not None
    assert measured.is_right.all()
    assert sum(measured.tally.replies.values()) == 30  # the warm-up counts here
    assert measured.tally.tasks >= 30


def test_a_stated_time_is_in_every_latency() -> None:
    run = EngineBench(plan=_plan(service_ms=20.0))(_trial())
    assert run.measured.latency_s.min() >= 0.0199


def test_slowness_makes_the_same_workers_slow_in_engine_and_simulator() -> None:
    plan = _plan(slowness="disturbed:pairs=1,factor=10,variation=0", service_ms=2.0)
    real = EngineBench(plan=plan)(_trial())
    simulated = SimulatedBench(plan=plan, service_s=np.array([2e-3]))(_trial())
    both = [np.array(run.latency_us) / 1e6 for run in (real, simulated)]
    assert all(times.min() >= 0.0199 for times in both)  # a pair of 2 is always both
    assert simulated.measured.is_right is None


def test_a_simulation_depends_on_its_seed_alone() -> None:
    measure = SimulatedBench(plan=_plan(slowness="law:pareto,scale=1,shape=2"), service_s=np.array([1e-3, 2e-3]))
    first, again, other = measure(_trial()), measure(_trial()), measure(_trial(repeat=1))
    assert first == again
    assert first.latency_us != other.latency_us


def test_without_load_a_simulated_query_takes_its_service_time() -> None:
    plan = _plan()
    run = SimulatedBench(plan=plan, service_s=np.array([3e-3]))(Trial(code="none", rate=0.1, repeat=0, seed=0))
    assert {round(taken, -1) for taken in run.latency_us} == {3000}


def test_arrivals_of_a_trace_are_stretched_to_the_rate() -> None:
    plan = replace(_plan(), arrivals_s=np.arange(100.0))
    load = plan.load(_trial())
    assert len(load.arrivals_s) == 30
    assert np.diff(load.arrivals_s).mean() == pytest.approx(1 / 200, rel=0.04)


def test_workers_are_those_that_are_opened_and_closed_again() -> None:
    opened: list[int] = []
    closed: list[int] = []

    @asynccontextmanager
    async def open_workers(networks: Sequence[nn.Module], slowness: Slowness) -> AsyncIterator[Workers]:
        opened.append(len(networks))
        yield LocalWorkers(networks, slowness=slowness)
        closed.append(len(networks))

    runs = list(run_bench(_plan().settings, EngineBench(plan=_plan(), open_workers=open_workers)))
    assert (opened, closed) == ([2, 3, 2, 3], [2, 3, 2, 3])
    assert [(run.code, run.repeat) for run in runs] == [
        ("none", 0), ("replication", 0), ("none", 1), ("replication", 1)
    ]  # fmt: skip


def test_slowness_that_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="pairs"):
        _plan(slowness="disturbed:pairs=2,factor=4").slowness(_trial())  # of 2 workers


def test_service_times_are_at_least_those_stated() -> None:
    times = measure_service(_Hundredfold(), torch.eye(4), service_ms=5.0)
    assert len(times) == 4
    assert (times >= 5e-3).all()


def test_a_stated_time_is_what_slowness_multiplies() -> None:
    slowness = StatedTime(make_slowness("disturbed:pairs=1,factor=3,variation=0", workers=2, seed=0), 0.05)
    assert slowness.extra_s(0, 0, 0.0, 0.01) == pytest.approx(0.04 + 0.1)
    assert slowness.extra_s(0, 0, 0.0, 0.08) == pytest.approx(0.1)  # a network that is slower is not made faster
