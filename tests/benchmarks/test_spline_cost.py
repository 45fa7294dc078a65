"""What the splines cost on one core: both code matrices at N = 2000, K = 500, and the operator as N + K grows.

`uv run pytest tests/benchmarks/test_spline_cost.py -m slow -s` prints the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import node_set
from nercc_tune.splines import smooth, smoothing_matrix

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.usefixtures("one_thread")]

WORKERS, QUERIES, STRAGGLERS, OUTPUTS = 2000, 500, 400, 10
SMOOTHING = 1e-6
MATRICES_S = 1.0
SIZES = tuple(1000 * 2**doubling for doubling in range(8))  # up to 128,000 workers
EXPONENT = 1.2
REPEATS = 9


def _seconds(call: Callable[[], Tensor]) -> float:
    """Return the least time of some calls, after one that warms up."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def _exponent(
    sizes: Sequence[int], amount: Callable[[int], int], prepare: Callable[[int], Callable[[], Tensor]]
) -> float:
    """Return the slope of log time over log amount, by least squares."""
    seconds = [_seconds(prepare(workers)) for workers in sizes]
    for workers, took in zip(sizes, seconds, strict=True):
        print(f"\nN = {workers:6}, K = {workers // 4:5}: {1e3 * took:6.2f} ms", end="")
    print()
    return float(np.polyfit(np.log([amount(workers) for workers in sizes]), np.log(seconds), 1)[0])


def _operator(workers: int) -> Callable[[], Tensor]:
    nodes = node_set("chebyshev", queries=workers // 4, workers=workers)
    data = torch.randn(workers, OUTPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(workers))
    return lambda: smooth(nodes.beta, data, nodes.alpha, SMOOTHING)


def _matrix(workers: int) -> Callable[[], Tensor]:
    nodes = node_set("chebyshev", queries=workers // 4, workers=workers)
    return lambda: smoothing_matrix(nodes.beta, nodes.alpha, SMOOTHING)


def test_both_matrices_of_2000_workers_take_less_than_a_second() -> None:
    nodes = node_set("chebyshev", queries=QUERIES, workers=WORKERS)
    arrived = torch.randperm(WORKERS, generator=torch.Generator().manual_seed(0))[STRAGGLERS:].sort().values
    start = time.perf_counter()
    smoothing_matrix(nodes.alpha, nodes.beta, SMOOTHING)
    encoded = time.perf_counter()
    smoothing_matrix(nodes.beta[arrived], nodes.alpha, SMOOTHING)
    end = time.perf_counter()
    print(f"\nencoder {1e3 * (encoded - start):.0f} ms, decoder {1e3 * (end - encoded):.0f} ms")
    assert end - start <= MATRICES_S


def test_the_operator_is_linear_in_workers_and_queries() -> None:
    exponent = _exponent(SIZES, lambda workers: 5 * workers // 4, _operator)
    print(f"time of the operator grows as (N + K) to the {exponent:.2f}")
    assert exponent <= EXPONENT


def test_the_matrix_costs_what_it_holds() -> None:
    exponent = _exponent((250, 500, 1000, 2000), lambda workers: workers**2 // 4, _matrix)
    print(f"time of the matrix grows as N K to the {exponent:.2f}")
    assert exponent <= EXPONENT
