"""The search of all decoders' parameters over 100 masks × 20 groups at (N, K, S) = (200, 50, 40), beside the spline's.

`uv run pytest tests/benchmarks/test_kernel_search.py --benchmark-enable -s` prints the ratio: the spline's λ_dec
(decomposition, profile and score), and the kernels of kriging and of the calibrated decoder, in one run on the same
answers. Without `--benchmark-enable` only the results are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from nercc_tune.coding import NerccCode, NodeSet, Sites, measure_moments, node_set
from nercc_tune.inference import SplineDecoder, Truth
from nercc_tune.inference.decoders import JoinedDecoder, KrigingDecoder, best_kernel, best_parameter
from nercc_tune.records import DecodeSpace, Goal, Kernel, Score
from tests.inference.fakes import exactly

MASKS, GROUPS, OUTPUTS, FOLDS = 100, 20, 10, 4
GOAL = Goal(metric="prob_mse")
GRID = (0.0, *(10.0 ** (step / 2 - 14) for step in range(29)))  # as of studies with a softmax


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    nodes: NodeSet
    arrived: Tensor
    answers: Tensor
    outputs: Tensor
    truth: Truth

    def spline(self) -> Score:
        decoder = JoinedDecoder([SplineDecoder(self.nodes, self.arrived)])
        _, score, _ = best_parameter(decoder.prepare(self.truth.answers(self.answers)), self.truth, GOAL, GRID)
        return score

    def kriging(self) -> tuple[Kernel, Score]:
        decoder = KrigingDecoder.of(Sites.of(self.nodes), [self.arrived], has_copies=True)
        return best_kernel(decoder, self.truth.answers(self.answers), self.truth, GOAL)

    def calibrated(self, start: Kernel) -> tuple[Kernel, Score]:
        sites, read, wanted = Sites.of(self.nodes), *map(self.truth.answers, (self.answers, self.outputs))
        each = GROUPS // FOLDS
        folds = []
        for fold in range(FOLDS):
            own = slice(fold * each, (fold + 1) * each)
            others = [at for at in range(GROUPS) if not own.start <= at < own.stop]
            folds.append((own, measure_moments(sites.distinct(read)[others], wanted[others])))
        decoder = KrigingDecoder.of(sites, [self.arrived], has_copies=True, folds=folds)
        return best_kernel(decoder, read, self.truth, GOAL, start=start)

    def kernels(self) -> Score:
        kernel, first = self.kriging()
        _, second = self.calibrated(kernel)
        return min(first, second, key=GOAL.rank)


@pytest.fixture(scope="module", params=["probabilities", "logits-softmax"])
def problem(request: pytest.FixtureRequest) -> Problem:
    space: DecodeSpace = request.param
    nodes = node_set("copies-1", queries=50, workers=200)
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(GROUPS, 50, 8, generator=generator).cumsum(1) / 4  # neighbours are alike
    first, second = torch.randn(8, 64, generator=generator), torch.randn(64, OUTPUTS, generator=generator)
    coded = NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0).encode(queries, dim=1)
    outputs = (queries @ first).tanh() @ second
    return Problem(
        nodes=nodes,
        arrived=exactly(40, workers=200, masks=MASKS, seed=0),
        answers=(coded @ first).tanh() @ second,
        outputs=outputs,
        truth=Truth.of(outputs, outputs.argmax(-1), decode_space=space),
    )


def test_kernels_are_no_worse_than_the_spline(problem: Problem) -> None:
    assert problem.kernels().prob_mse <= 1.02 * problem.spline().prob_mse


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def test_speed(problem: Problem, benchmark: BenchmarkFixture) -> None:
    benchmark(problem.kernels)
    if not benchmark.enabled or benchmark.stats is None:
        return
    spline = min(_seconds(problem.spline) for _ in range(3))
    kernels = benchmark.stats.stats.min
    benchmark.extra_info |= {"spline_s": spline, "ratio": (kernels + spline) / spline}
    print(
        f"\n{problem.truth.decode_space}: all decoders {kernels + spline:.2f} s, "
        f"{(kernels + spline) / spline:.1f} times the spline's {spline:.2f} s"
    )
