"""The simulator: laws of queues, and that nothing is lost."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nercc_tune.service.commands import Source
from nercc_tune.service.load import Load, poisson
from nercc_tune.service.machines import ConstantService, Death, LawService, Machines, MeasuredService
from nercc_tune.service.measured import SOURCES, Measured
from nercc_tune.service.rules import Answers
from nercc_tune.service.scheme import Hedge, Scheme
from nercc_tune.service.schemes import coded, hedged, plain, replicated, with_parities
from nercc_tune.service.simulator import simulate
from nercc_tune.service.slowness_settings import make_slowness
from nercc_tune.straggling import ShiftedExponential, TraceLatencies

_SCHEMES = [
    plain(6),
    replicated(6),
    hedged(6, hedge=Hedge(quantile=0.9, budget=0.1)),
    with_parities(2, ["parity-1"], workers=4, parity_workers=2),
    replace(with_parities(2, ["parity-1"], workers=4, parity_workers=2, sends_at_once=True), name="at once"),
    coded(3, [0, 1, 2, 0, None, None], rule=Answers(count=4)),
    coded(3, [0, 1, 2, None, None, None], rule=Answers(count=3), gives_own=False, name="decoded only"),
]


def _exponential(workers: int, *, rate: float = 1.0, seed: int = 0) -> Machines:
    law = ShiftedExponential(workers=workers, shift=1e-12, rate=rate)
    return Machines(service=LawService(law, seed=seed))


def _slow(scheme: Scheme, *, seed: int, deaths: bool = False) -> Machines:
    settings = "disturbed:pairs=2,factor=4,shortest_s=0.5,longest_s=2"
    killed = [Death(worker=at % scheme.workers, at_s=0.7 * at, back_s=0.5) for at in range(1, 12)] if deaths else []
    return Machines(
        service=ConstantService(each_s=0.02),
        slowness=make_slowness(settings, workers=scheme.workers, seed=seed),
        overhead_s=0.001,
        deaths=killed,
    )


def _erlang_c(load: float, workers: int) -> float:
    """Return how likely a query waits, for λ/μ = `load`."""
    terms = [load**at / math.factorial(at) for at in range(workers)]
    waits = load**workers / math.factorial(workers) / (1 - load / workers)
    return waits / (sum(terms) + waits)


@pytest.mark.parametrize(("workers", "rate"), [(1, 0.5), (4, 2.8)])
def test_without_redundancy_it_is_the_queue_of_erlang(workers: int, rate: float) -> None:
    """Mean and tail of the time in an M/M/c queue with μ = 1."""
    seen = simulate(plain(workers), poisson(rate, 12_000, seed=1), machines=_exponential(workers))
    waits, drain = _erlang_c(rate, workers), workers - rate
    # Means of 12,000 queries spread by 3 % over seeds, and the shares beyond 1 and 3 by 2 % and 10 %.
    assert seen.latency_s.mean() == pytest.approx(1 + waits / drain, rel=0.06)
    for time, spread in ((1.0, 0.04), (3.0, 0.2)):
        service_and_wait = (drain * math.exp(-time) - math.exp(-drain * time)) / (drain - 1)
        beyond = (1 - waits) * math.exp(-time) + waits * service_and_wait
        assert (seen.latency_s > time).mean() == pytest.approx(beyond, rel=spread)


def test_the_first_of_two_exponential_answers_is_exponential_of_twice_the_rate() -> None:
    """Where queries do not meet each other."""
    seen = simulate(replicated(20), poisson(0.01, 2000, seed=0), machines=_exponential(20))
    assert stats.kstest(seen.latency_s, stats.expon(scale=1 / 2).cdf).pvalue > 0.01
    assert seen.share(Source.OWN) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("scheme", _SCHEMES, ids=lambda scheme: scheme.name)
def test_no_query_is_lost_or_answered_sooner_than_a_worker_can(scheme: Scheme) -> None:
    seen = simulate(scheme, poisson(60.0, 600, seed=2), machines=_slow(scheme, seed=2, deaths=True), warm_up=0.0)
    assert len(seen.latency_s) == 600
    assert seen.is_answered.all()
    assert np.isfinite(seen.latency_s).all()
    assert seen.latency_s.min() >= 0.021 - 1e-12
    assert sum(seen.tally.replies.values()) == 600
    assert seen.tally.lost > 0
    counts = {source: round(600 * seen.share(source)) for source in Source}
    assert counts == seen.tally.replies


@pytest.mark.parametrize("scheme", _SCHEMES, ids=lambda scheme: scheme.name)
def test_seeds_decide_everything(scheme: Scheme) -> None:
    def run(seed: int) -> Measured:
        return simulate(scheme, poisson(60.0, 300, seed=seed), machines=_slow(scheme, seed=seed))

    one, same, other = run(0), run(0), run(1)
    assert np.array_equal(one.latency_s, same.latency_s)
    assert np.array_equal(one.sources, same.sources)
    assert one.tally == same.tally
    assert not np.array_equal(one.latency_s, other.latency_s)


def test_a_longer_load_begins_as_the_shorter_one_does() -> None:
    machines = _slow(plain(6), seed=0)
    shorter, longer = (
        simulate(plain(6), poisson(60.0, queries, seed=0), machines=machines, warm_up=0.0) for queries in (200, 400)
    )
    assert np.array_equal(shorter.latency_s[:150], longer.latency_s[:150])


def test_hedges_keep_to_their_budget() -> None:
    scheme = hedged(6, hedge=Hedge(quantile=0.5, budget=0.1))  # half of the queries are late
    tally = simulate(scheme, poisson(60.0, 2000, seed=0), machines=_slow(scheme, seed=0)).tally
    assert 0.9 * 0.1 * 2000 <= tally.hedges <= 0.1 * 2000 + 10
    assert tally.tasks <= 2000 + tally.hedges


def test_a_worker_that_dies_begins_anew_when_it_is_back() -> None:
    machines = Machines(service=ConstantService(each_s=1.0), deaths=[Death(worker=0, at_s=0.5, back_s=2.0)])
    load = Load(rate=1.0, arrivals_s=np.array([0.0, 0.1]))
    seen = simulate(plain(1), load, machines=machines, warm_up=0.0)
    assert seen.latency_s.tolist() == pytest.approx([3.5, 4.4])
    assert seen.seconds == pytest.approx(4.5)


def test_a_worker_that_is_dead_does_not_die() -> None:
    deaths = [Death(worker=0, at_s=at, back_s=2.0) for at in (0.5, 1.0)]
    machines = Machines(service=ConstantService(each_s=1.0), deaths=deaths)
    seen = simulate(plain(1), Load(rate=1.0, arrivals_s=np.array([0.0])), machines=machines, warm_up=0.0)
    assert seen.latency_s.tolist() == [3.5]


def test_who_waits_for_too_long_is_refused() -> None:
    load = Load(rate=1.0, arrivals_s=np.zeros(3))
    seen = simulate(plain(1), load, machines=Machines(service=ConstantService(each_s=1.0)), warm_up=0.0, timeout_s=1.5)
    assert seen.latency_s.tolist() == [1.0, 1.5, 1.5]
    assert seen.is_answered.tolist() == [True, False, False]
    assert seen.sources.tolist()[1:] == [SOURCES.index(None)] * 2
    assert seen.tally.refused == 2


def test_warm_up_is_left_out() -> None:
    load = poisson(60.0, 100, seed=0)
    whole, rest = (simulate(plain(2), load, machines=_slow(plain(4), seed=0), warm_up=share) for share in (0.0, 0.3))
    assert np.array_equal(whole.latency_s[30:], rest.latency_s)
    assert rest.seconds == pytest.approx(whole.seconds - (load.arrivals_s[30] - load.arrivals_s[0]))


def test_service_times_are_those_that_were_measured() -> None:
    measured_s = np.array([0.5, 1.0, 4.0])
    machines = Machines(service=MeasuredService(measured_s, seed=0))
    seen = simulate(plain(9), poisson(0.01, 900, seed=0), machines=machines, warm_up=0.0)
    values, counts = np.unique(seen.latency_s.round(6), return_counts=True)
    assert values.tolist() == measured_s.tolist()
    assert counts == pytest.approx([300] * 3, rel=0.2)


def test_a_trace_may_be_the_service_and_is_gone_through_again_and_again() -> None:
    trace = TraceLatencies(latencies=np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]))
    service = LawService(trace, seed=0, unit_s=0.001)
    first = [service.seconds(0, number) for number in range(300)]
    assert sorted(first) == sorted([0.001, 0.002, 0.003] * 100)
    assert [service.seconds(1, number) for number in range(300)] == pytest.approx([10 * time for time in first])


def test_what_cannot_be_simulated_is_refused() -> None:
    machines = Machines(service=ConstantService(each_s=1.0))
    with pytest.raises(ValueError, match=r"`warm_up` must be in \[0, 1\), but got 1.0"):
        simulate(plain(1), poisson(1.0, 1, seed=0), machines=machines, warm_up=1.0)
    dying = Machines(service=ConstantService(each_s=1.0), deaths=[Death(worker=3, at_s=0.0, back_s=1.0)])
    with pytest.raises(ValueError, match="`worker` must be one of 1 workers, but got 3"):
        simulate(plain(1), poisson(1.0, 1, seed=0), machines=dying)
    with pytest.raises(ValueError, match="`rate` must be positive and finite, but got 0"):
        poisson(0.0, 1, seed=0)
    with pytest.raises(ValueError, match="`queries` must be at least 1, but got 0"):
        poisson(1.0, 0, seed=0)
    with pytest.raises(ValueError, match="`arrivals_s` must be finite times that ascend from 0"):
        Load(rate=1.0, arrivals_s=np.array([1.0, 0.5]))
    with pytest.raises(ValueError, match="`each_s` must be positive and finite, but got nan"):
        ConstantService(each_s=math.nan)
    with pytest.raises(ValueError, match="`measured_s` must be positive and finite times"):
        MeasuredService(np.array([0.1, 0.0]), seed=0)
    with pytest.raises(ValueError, match="`unit_s` must be positive and finite, but got 0"):
        LawService(ShiftedExponential(workers=1, shift=1.0, rate=1.0), seed=0, unit_s=0.0)
    with pytest.raises(ValueError, match="`at_s` must be at least 0 and finite, but got -1"):
        Death(worker=0, at_s=-1.0, back_s=1.0)
    with pytest.raises(ValueError, match="`back_s` must be positive and finite, but got 0"):
        Death(worker=0, at_s=0.0, back_s=0.0)
    with pytest.raises(ValueError, match="`overhead_s` must be at least 0 and finite, but got nan"):
        Machines(service=ConstantService(each_s=1.0), overhead_s=math.nan)
