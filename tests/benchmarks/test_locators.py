"""What it costs to find 20 wrong answers of 160 to 50 queries, beside ApproxIFER's formula in a loop over the outputs.

`uv run pytest tests/benchmarks/test_locators.py -m slow --benchmark-enable -s` prints the times and ratios.
"""

from __future__ import annotations

import time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from nercc_tune.coding import BerrutCode, locate, node_set
from nercc_tune.coding.locators import Variant

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.usefixtures("one_thread")]

WORKERS, ARRIVED, QUERIES, ERRORS = 200, 160, 50, 20
LIMIT_MS = {10: 5.0, 1000: 50.0}


def published(nodes: Tensor, answers: Tensor) -> Tensor:
    """Locate as published, one output after the other, but in Chebyshev polynomials: monomials of degree 69 fail."""
    count = QUERIES + ERRORS
    basis = (nodes.acos()[:, None] * torch.arange(count)).cos()
    votes = torch.zeros(len(nodes), dtype=torch.int64)
    for output in answers.T:
        system = torch.cat([basis, -output[:, None] * basis[:, 1:]], dim=1)
        weights = torch.linalg.pinv(system) @ output
        values = basis[:, 0] + basis[:, 1:] @ weights[count:]
        votes[values.abs().argsort()[:ERRORS]] += 1
    accused = torch.zeros(len(nodes), dtype=torch.bool)
    accused[votes.argsort(descending=True)[:ERRORS]] = True
    return accused


def _problem(variant: Variant, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return nodes, answers and which are wrong."""
    generator = torch.Generator().manual_seed(0)
    nodes = node_set("chebyshev", queries=QUERIES, workers=WORKERS)
    values = torch.randn(QUERIES, outputs, dtype=torch.float64, generator=generator)
    basis = (nodes.beta.acos()[:, None] * torch.arange(QUERIES)).cos()
    answers = basis @ values if variant == "polynomial" else BerrutCode(nodes).encode(values)
    arrived = torch.randperm(WORKERS, generator=generator)[:ARRIVED].sort().values
    # Evenly among the others: where they crowd, rounding hides right ones between them, in the published formula first.
    is_wrong = torch.zeros(ARRIVED, dtype=torch.bool)
    is_wrong[:: ARRIVED // ERRORS] = True
    noise = torch.randn(ARRIVED, outputs, dtype=torch.float64, generator=generator)
    return nodes.beta[arrived], answers[arrived] + noise * is_wrong[:, None], is_wrong


@pytest.mark.parametrize("outputs", LIMIT_MS)
@pytest.mark.parametrize("variant", ["polynomial", "rational"])
def test_speed(variant: Variant, outputs: int, benchmark: BenchmarkFixture) -> None:
    nodes, answers, is_wrong = _problem(variant, outputs)
    accused = benchmark(locate, nodes, answers, queries=QUERIES, errors=ERRORS, variant=variant)
    assert torch.equal(accused, is_wrong)
    if not benchmark.enabled or benchmark.stats is None:
        return
    start = time.perf_counter()
    plain = published(nodes, answers)
    loop_ms = 1e3 * (time.perf_counter() - start)
    if variant == "polynomial":
        assert torch.equal(plain, is_wrong)
    # Other programs on the machine delay some rounds, the quickest one least.
    quickest_ms = 1e3 * benchmark.stats.stats.min
    benchmark.extra_info |= {"loop_ms": loop_ms, "ratio": loop_ms / quickest_ms}
    print(
        f"\n{variant}, {outputs} outputs: {quickest_ms:.1f} ms, a loop takes {loop_ms / quickest_ms:.0f} times as long"
    )
    assert loop_ms > 2 * quickest_ms  # of 9 to 390; within `LIMIT_MS` on a core of its own
