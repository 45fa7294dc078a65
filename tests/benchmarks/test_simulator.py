"""100,000 queries in the simulator, against a loop that only keeps when each worker is free.

`uv run pytest tests/benchmarks/test_simulator.py --benchmark-enable -s` prints the ratios. Without `--benchmark-enable`
fewer queries are simulated, and only the results are compared.
"""

from __future__ import annotations

import heapq
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from nercc_tune.service.disturbance import Disturbance, DisturbedPairs
from nercc_tune.service.load import Load, poisson
from nercc_tune.service.machines import ConstantService, Machines
from nercc_tune.service.measured import Measured
from nercc_tune.service.rules import Answers
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.schemes import coded, hedged, plain, replicated, with_parities
from nercc_tune.service.simulator import simulate

SERVICE_S = 0.025
MANY, FEW = 100_000, 2000
SCHEMES = {
    "equal resources": (plain(18), 270.0),
    "hedging": (hedged(18), 270.0),
    "replication": (replicated(18), 270.0),
    "ParM": (with_parities(2, ["parity-1"], workers=12, parity_workers=6, sends_at_once=True), 270.0),
    "coded, N = 200": (coded(50, [*range(50), *[None] * 150], rule=Answers(count=60), max_wait_s=1.0), 1000.0),
    "coded, N = 2000": (coded(500, [*range(500), *[None] * 1500], rule=Answers(count=600), max_wait_s=1.0), 10_000.0),
}


def _loop(load: Load, *, workers: int) -> NDArray[np.float64]:
    """Return how long queries take where the first that is free takes the next one."""
    free_at = [0.0] * workers
    latency_s = []
    for arrival in load.arrivals_s.tolist():
        ends = max(arrival, heapq.heappop(free_at)) + SERVICE_S
        heapq.heappush(free_at, ends)
        latency_s.append(ends - arrival)
    return np.array(latency_s)


def _simulate(scheme: Scheme, load: Load, *, pairs: int) -> Measured:
    disturbance = Disturbance(pairs=pairs, factor=1.4)
    slowness = DisturbedPairs(disturbance, workers=scheme.workers, seed=0)
    machines = Machines(service=ConstantService(each_s=SERVICE_S), slowness=slowness)
    return simulate(scheme, load, machines=machines, warm_up=0.0)


@pytest.mark.parametrize("rate", [100.0, 390.0, 600.0])
def test_same_result_as_the_loop(rate: float) -> None:
    """At little load, much, and more than 12 workers bear."""
    load = poisson(rate, FEW, seed=0)
    machines = Machines(service=ConstantService(each_s=SERVICE_S))
    seen = simulate(plain(12), load, machines=machines, warm_up=0.0)
    assert seen.latency_s == pytest.approx(_loop(load, workers=12), abs=1e-9)


@pytest.mark.parametrize("name", SCHEMES)
def test_speed(name: str, benchmark: BenchmarkFixture) -> None:
    scheme, rate = SCHEMES[name]
    load = poisson(rate, MANY if benchmark.enabled else FEW, seed=0)
    seen = benchmark(_simulate, scheme, load, pairs=scheme.workers // 5)
    assert sum(seen.tally.replies.values()) == len(load.arrivals_s)
    if not benchmark.enabled or benchmark.stats is None:
        return
    simulated_s = benchmark.stats.stats.median
    start = time.perf_counter()
    _loop(load, workers=18)
    loop_s = time.perf_counter() - start
    benchmark.extra_info |= {
        "tasks": seen.tally.tasks,
        "microseconds_per_task": 1e6 * simulated_s / seen.tally.tasks,
        "ratio_to_loop": simulated_s / loop_s,
        "ratio_to_real_time": load.arrivals_s[-1] / simulated_s,
    }
    print(
        f"\n{name}: {MANY:,} queries, {seen.tally.tasks:,} tasks in {simulated_s:.1f} s, "
        f"{1e6 * simulated_s / seen.tally.tasks:.0f} µs a task; {load.arrivals_s[-1] / simulated_s:.0f} times faster "
        f"than they come, {simulated_s / loop_s:.0f} times slower than a loop without a front"
    )
