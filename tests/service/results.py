"""Results of a bench, made up: a code that is fast and one whose tail is long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nercc_tune.service.bench_results import BenchResults, BenchRun, BenchSettings
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.measured import SOURCES, Measured

__all__ = ["bench_results", "bench_run"]


def bench_run(
    code: str = "coded",
    *,
    repeat: int = 0,
    rate: float = 20.0,
    scale: float = 1.0,
    queries: int = 400,
    has_refused: bool = False,
) -> BenchRun:
    """Return a run whose latencies are Pareto's times a scale; every tenth query is decoded, and one may be refused."""
    rng = np.random.default_rng([repeat, round(rate)])
    sources = np.full(queries, SOURCES.index(Source.OWN), dtype=np.int8)
    sources[::10] = SOURCES.index(Source.DECODED)
    if has_refused:
        sources[7] = SOURCES.index(None)
    tally = Tally(groups=queries, tasks=2 * queries, busy_s=4.0, burned_s=1.0, refused=int(has_refused))
    tally.replies[Source.OWN] = queries - has_refused
    measured = Measured(
        scheme=code,
        rate=rate,
        seconds=queries / rate,
        latency_s=0.02 * scale * (1 + rng.pareto(2.0, queries)),
        sources=sources,
        tally=tally,
        is_right=rng.random(queries) < 0.95,
        agrees=rng.random(queries) < (0.97 if code == "coded" else 1.0),
    )
    return BenchRun.of(
        measured, code=code, repeat=repeat, seed=repeat, late_s=2e-4, refusals=("too many wait",) * has_refused
    )


def bench_results(
    codes: Sequence[str] = ("coded", "equal-resources"),
    *,
    repeats: int = 3,
    rates: Sequence[float] = (20.0,),
    has_refused: bool = False,
) -> BenchResults:
    """Return repeats of some codes; each is half as slow again as the one before."""
    settings = BenchSettings(
        target="lenet5-digits",
        model="lenet5",
        data="digits",
        engine="local",
        codes=tuple(codes),
        workers=12,
        rates=tuple(rates),
        queries=500,
        warm_up=0.2,
        repeats=repeats,
        seed=0,
        slowness="disturbed",
        service_ms=25.0,
        max_wait_ms=10.0,
    )
    runs = [
        bench_run(code, repeat=repeat, rate=rate, scale=1.5**at, has_refused=has_refused)
        for repeat in range(repeats)
        for rate in rates
        for at, code in enumerate(codes)
    ]
    return BenchResults(
        settings=settings,
        machine={"cores": 2, "system": "Linux"},
        versions={"nercc-tune": "0.1.0", "python": "3.12.0"},
        git_commit=None,
        created="2026-11-28T12:00:00+00:00",
        runs=tuple(runs),
    )
