"""The best of 64 λ_dec over 100 masks × 20 groups at (N, K, S) = (200, 50, 40), against a loop over SciPy's spline.

`uv run pytest tests/benchmarks/test_decoder_search.py --benchmark-enable -s` prints the ratios. SciPy's loop is run for
a share of its 6,400 pairs of λ and mask, and its time is scaled up. Without `--benchmark-enable` only the results are
compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.interpolate import make_smoothing_spline
from torch import Tensor

from nercc_tune.coding import NerccCode, NodeSet, node_set
from nercc_tune.inference import SplineDecoder, Truth, measure
from nercc_tune.records import Score
from tests.inference.fakes import exactly

MASKS, GROUPS, OUTPUTS, LAMBDAS = 100, 20, 10, 64
SCIPY_PAIRS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    nodes: NodeSet
    arrived: Tensor
    answers: Tensor
    truth: Truth
    grid: Tensor

    def mse(self, decoder: SplineDecoder, smoothing: Tensor) -> Tensor:
        return decoder.error_curve(self.truth.answers(self.answers), self.truth)(smoothing)

    def best(self, decoder: SplineDecoder) -> tuple[float, Score]:
        smoothing = float(self.grid[self.mse(decoder, self.grid).mean(0).argmin()])
        transformed = decoder.transform(self.truth.answers(self.answers))
        return smoothing, measure(decoder.decode(transformed, smoothing), self.truth).score()

    def scipy_mse(self) -> Callable[[float, int], float]:
        """Return the function of λ and mask that a loop over SciPy's spline calls."""
        flat = self.truth.answers(self.answers).transpose(0, 1).flatten(1).double().numpy()
        outputs = self.truth.outputs.transpose(0, 1).flatten(1).double().numpy()
        alpha, beta, arrived = self.nodes.alpha.numpy(), self.nodes.beta.numpy(), self.arrived.numpy()

        def mse(smoothing: float, mask: int) -> float:
            workers = arrived[mask]
            errors = make_smoothing_spline(beta[workers], flat[workers], lam=smoothing)(alpha) - outputs
            return float((errors**2).sum() / (GROUPS * len(alpha)))

        return mse


@pytest.fixture(scope="module")
def problem() -> Problem:
    nodes = node_set("chebyshev", queries=50, workers=200)
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(GROUPS, 50, 8, generator=generator)
    first, second = torch.randn(8, 64, generator=generator), torch.randn(64, OUTPUTS, generator=generator)
    coded = NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0).encode(queries, dim=1)
    outputs = (queries @ first).tanh() @ second
    return Problem(
        nodes=nodes,
        arrived=exactly(40, workers=200, masks=MASKS, seed=0),
        answers=(coded @ first).tanh() @ second,
        truth=Truth.of(outputs, outputs.argmax(-1), decode_space="probabilities"),
        grid=torch.logspace(-14, 0, LAMBDAS, dtype=torch.float64),
    )


def test_same_result_as_scipy(problem: Problem) -> None:
    decoder = SplineDecoder(problem.nodes, problem.arrived)
    smoothing, _ = problem.best(decoder)
    ends = problem.nodes.beta[problem.arrived[:, [0, -1]]]
    # Where an edge worker is lost, the outer queries lie outside the nodes, and SciPy goes on as a cubic there.
    inside = (ends[:, 0] <= problem.nodes.alpha[0]) & (ends[:, 1] >= problem.nodes.alpha[-1])
    masks = inside.nonzero()[:20, 0].tolist()
    ours = problem.mse(decoder, torch.tensor([smoothing], dtype=torch.float64))[masks, 0].mean()
    scipy_mse = problem.scipy_mse()
    by_scipy = np.mean([scipy_mse(smoothing, mask) for mask in masks])
    assert float(ours) == pytest.approx(by_scipy, rel=1e-6)  # the answers are float32


def test_speed(problem: Problem, benchmark: BenchmarkFixture) -> None:
    decoder = SplineDecoder(problem.nodes, problem.arrived)
    smoothing, _ = benchmark(problem.best, decoder)
    if not benchmark.enabled or benchmark.stats is None:
        return
    prepared = benchmark.stats.stats.median
    start = time.perf_counter()
    SplineDecoder(problem.nodes, problem.arrived)
    preparation = time.perf_counter() - start
    scipy_mse = problem.scipy_mse()
    start = time.perf_counter()
    for pair in range(SCIPY_PAIRS):
        scipy_mse(smoothing, pair % MASKS)
    loop = (time.perf_counter() - start) / SCIPY_PAIRS * LAMBDAS * MASKS
    benchmark.extra_info |= {
        "scipy_s": loop,
        "ratio": loop / prepared,
        "ratio_unprepared": loop / (preparation + prepared),
    }
    print(
        f"\nSciPy's loop {loop:.1f} s; ours {prepared:.3f} s (1/{loop / prepared:.0f}), and once a cell for all its "
        f"trials {preparation:.3f} s to prepare (1/{loop / (preparation + prepared):.0f} with it)"
    )
