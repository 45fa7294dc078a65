from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from nercc_tune.straggling import LAWS, LatencyModel, Law, Pareto, ShiftedExponential, WorkerGamma

_SHIFTED = ShiftedExponential(workers=5, shift=1.5, rate=0.5)
_PARETO = Pareto(workers=5, scale=2.0, shape=1.2)
_GAMMA = WorkerGamma(workers=5, shape=2.5, scale=0.4, spread=0.6, correlation=0.0)
_MODELS: dict[str, Law] = {"shifted-exponential": _SHIFTED, "pareto": _PARETO, "gamma": _GAMMA}
# A sample of 5 × 800 latencies passes a Kolmogorov–Smirnov test of the right law in all but 0.1 % of seeds.
_LEAST_P = 1e-3


def _gamma(**changed: float) -> WorkerGamma:
    numbers = {"shape": 2.0, "scale": 1.0, "spread": 0.5, "correlation": 0.5} | changed
    return WorkerGamma(
        workers=6,
        shape=numbers["shape"],
        scale=numbers["scale"],
        spread=numbers["spread"],
        correlation=numbers["correlation"],
    )


def _rank_correlations(latencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's ρ of every pair of workers."""
    matrix = np.asarray(np.corrcoef(stats.rankdata(latencies, axis=0), rowvar=False), dtype=np.float64)
    return matrix[np.triu_indices(len(matrix), k=1)]


def test_every_law_is_registered_and_tested() -> None:
    assert {name: type(model) for name, model in _MODELS.items()} == LAWS


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
def test_latencies_are_those_of_the_seed(model: LatencyModel) -> None:
    first, same, other = (model.sample(20, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (20, model.workers)
    assert first.dtype == np.float64
    assert np.array_equal(first, same)
    assert not np.isclose(first, other).any()
    assert np.array_equal(model.sample(4, seed=0), first[:4])
    assert len(np.unique(first)) == first.size
    assert model.limit is None


@pytest.mark.parametrize("model", _MODELS.values(), ids=_MODELS)
@pytest.mark.parametrize("iterations", [0, -1])
def test_no_iterations_are_refused(model: LatencyModel, iterations: int) -> None:
    with pytest.raises(ValueError, match=rf"`iterations` must be at least 1, but got {iterations}\."):
        model.sample(iterations, seed=0)


@pytest.mark.parametrize(
    ("model", "law"),
    [
        (_SHIFTED, stats.expon(loc=1.5, scale=2.0)),
        (_PARETO, stats.pareto(1.2, scale=2.0)),
        (WorkerGamma(workers=5, shape=2.5, scale=0.4, spread=0.0, correlation=0.0), stats.gamma(2.5, scale=0.4)),
    ],
)
def test_latencies_follow_the_law(model: Law, law: stats.rv_continuous) -> None:
    assert stats.kstest(model.sample(800, seed=0).ravel(), law.cdf).pvalue > _LEAST_P


@pytest.mark.parametrize("model", [_SHIFTED, _PARETO])
def test_workers_are_independent_and_equal(model: Law) -> None:
    latencies = model.sample(2000, seed=1)
    correlation = _rank_correlations(latencies)
    # Each of 10 rank correlations has a standard deviation of 1/√1999; the bound is 4 of them.
    assert np.abs(correlation).max() < 4 / math.sqrt(1999)
    assert stats.kruskal(*latencies.T).pvalue > _LEAST_P


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_each_worker_has_the_gamma_law_of_its_own_scale(correlation: float) -> None:
    model = _gamma(correlation=correlation)
    latencies = model.sample(1500, seed=3)
    for column, scale in zip(latencies.T, model.scales, strict=True):
        assert stats.kstest(column, stats.gamma(2.0, scale=scale).cdf).pvalue > _LEAST_P


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_latencies_of_an_iteration_are_correlated_through_a_normal_copula(correlation: float) -> None:
    latencies = _gamma(correlation=correlation).sample(4000, seed=2)
    # Spearman's ρ of a normal copula is 6/π · asin(r/2); its standard deviation over 4000 pairs is at most 1/√3999.
    expected = 6 / math.pi * math.asin(correlation / 2)
    measured = _rank_correlations(latencies)
    assert np.abs(measured - expected).max() < 4 / math.sqrt(3999)


def test_iterations_are_independent() -> None:
    means = _gamma(correlation=0.9).sample(4000, seed=5).mean(axis=1)
    assert abs(stats.spearmanr(means[1:], means[:-1]).statistic) < 4 / math.sqrt(3999)


def test_the_same_workers_are_slow_in_every_sample() -> None:
    model = _gamma(spread=1.0)
    tuning, heldout = (model.sample(2000, seed=seed).mean(axis=0) for seed in (0, 1))
    # A mean of 2000 gamma latencies with shape 2 is off by 1/√4000 = 1.6 % of it; two means, 4 standard deviations.
    assert np.abs(np.log(tuning / heldout)).max() < 4 * math.sqrt(2) / math.sqrt(4000)
    assert np.allclose(tuning, 2.0 * model.scales, rtol=4 / math.sqrt(4000))


def test_speeds_are_lognormal_and_those_of_their_seed() -> None:
    model = WorkerGamma(workers=2000, shape=1.0, scale=3.0, spread=0.5, correlation=0.0)
    other = WorkerGamma(workers=2000, shape=1.0, scale=3.0, spread=0.5, correlation=0.0, speed_seed=1)
    assert stats.kstest(model.scales, stats.lognorm(0.5, scale=3.0).cdf).pvalue > _LEAST_P
    assert stats.kstest(other.scales, stats.lognorm(0.5, scale=3.0).cdf).pvalue > _LEAST_P
    assert not np.isclose(model.scales, other.scales).any()


def test_no_spread_makes_equal_workers() -> None:
    assert np.array_equal(_gamma(spread=0.0, scale=3.0).scales, np.full(6, 3.0))


@pytest.mark.parametrize("lag", [0, 1])
def test_speeds_do_not_depend_on_what_is_drawn_with_the_same_seed(lag: int) -> None:
    model = WorkerGamma(workers=500, shape=2.0, scale=1.0, spread=1.0, correlation=0.0, speed_seed=0)
    first = model.sample(1, seed=0)[0] / model.scales
    # The copula's shared normal comes first, so that equal streams would be off by one worker.
    assert abs(stats.spearmanr(first[: 500 - lag], model.scales[lag:]).statistic) < 4 / math.sqrt(499 - lag)


@pytest.mark.parametrize(
    "model",
    [
        ShiftedExponential(workers=50, shift=1e-300, rate=1e-310),
        Pareto(workers=50, scale=1.0, shape=1e-4),
        WorkerGamma(workers=50, shape=1e-3, scale=1.0, spread=0.0, correlation=0.0),
        WorkerGamma(workers=50, shape=1e-3, scale=1.0, spread=1e4, correlation=0.5),
    ],
)
def test_latencies_stay_positive_and_finite_where_the_law_leaves_the_range_of_doubles(model: Law) -> None:
    latencies = model.sample(50, seed=0)
    assert (latencies > 0).all()
    assert np.isfinite(latencies).all()


_BAD = [0.0, -1.0, math.inf, math.nan]


@pytest.mark.parametrize("bad", _BAD)
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("shift", lambda bad: ShiftedExponential(workers=3, shift=bad, rate=1.0)),
        ("rate", lambda bad: ShiftedExponential(workers=3, shift=1.0, rate=bad)),
        ("scale", lambda bad: Pareto(workers=3, scale=bad, shape=1.0)),
        ("shape", lambda bad: Pareto(workers=3, scale=1.0, shape=bad)),
        ("shape", lambda bad: _gamma(shape=bad)),
        ("scale", lambda bad: _gamma(scale=bad)),
    ],
)
def test_parameters_that_are_not_positive_are_refused(name: str, build: Callable[[float], Law], bad: float) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be positive and finite, but got {bad}\."):
        build(bad)


@pytest.mark.parametrize("spread", [-0.1, math.inf, math.nan])
def test_negative_spreads_are_refused(spread: float) -> None:
    with pytest.raises(ValueError, match=rf"`spread` must be at least 0 and finite, but got {spread}\."):
        _gamma(spread=spread)


@pytest.mark.parametrize("correlation", [-0.1, 1.0, math.nan])
def test_correlations_that_the_copula_lacks_are_refused(correlation: float) -> None:
    with pytest.raises(ValueError, match=rf"`correlation` must be in \[0, 1\), but got {correlation}\."):
        _gamma(correlation=correlation)


def test_negative_speed_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`speed_seed` must be at least 0, but got -1\."):
        WorkerGamma(workers=3, shape=1.0, scale=1.0, spread=0.0, correlation=0.0, speed_seed=-1)


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`workers` must be at least 1, but got 0\."):
        Pareto(workers=0, scale=1.0, shape=1.0)
