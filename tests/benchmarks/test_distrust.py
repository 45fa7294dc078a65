"""What it costs to find out which of 160 answers to 50 queries to distrust, on one core.

`uv run pytest tests/benchmarks/test_distrust.py -m slow --benchmark-enable -s` prints the times and ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from nercc_tune.coding import AnswerReader, KrigingCode, NerccCode, node_set
from nercc_tune.records import Distrust, Kernel

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.usefixtures("one_thread")]

WORKERS, ARRIVED, QUERIES, MOST = 200, 160, 50, 25
LIMIT_MS = {10: 5.0, 1000: 50.0}
YARDSTICKS = {10: 8.0, 1000: 30.0}
MASKS, GROUPS, LEVELS = 100, 20, torch.logspace(-0.5, 1.0, 64).tolist()
_TOGETHER = 20  # masks, whose estimates after every step are held at a time: 100 MB
_NODES = node_set("chebyshev", queries=QUERIES, workers=WORKERS)
CODES: dict[str, NerccCode | KrigingCode] = {
    "spline": NerccCode(_NODES, lambda_enc=0.0, lambda_dec=1e-6),
    "kriging": KrigingCode(_NODES, lambda_enc=0.0, kernel=Kernel(range=2.0, nugget=1e-3)),
}


def _problem(
    code: NerccCode | KrigingCode, *, outputs: int, wrong: int, masks: int = 1, groups: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Return masks [M, F], answers [M, G, F, c] and which are wrong."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(groups, QUERIES, outputs, dtype=torch.float64, generator=generator).cumsum(1) / 3
    arrived = torch.rand(masks, WORKERS, generator=generator).argsort(-1)[:, :ARRIVED].sort(-1).values
    answers = code.encode(queries, dim=1).tanh()[:, arrived].movedim(0, 1).contiguous()
    is_wrong = torch.rand(masks, groups, ARRIVED, generator=generator).argsort(-1) < wrong
    lies = 3 * torch.randn(answers.shape, dtype=torch.float64, generator=generator)
    return arrived, answers + lies * is_wrong[..., None], is_wrong


def _distrust(reader: AnswerReader, answers: Tensor, is_wrong: Tensor) -> Distrust:
    right = reader.deviations(answers, unusable=is_wrong)[~is_wrong]
    return Distrust(kind="residuals", level=3.0, most=MOST, scale=float(right.mean()))


@pytest.mark.parametrize("wrong", [5, 20])
@pytest.mark.parametrize("outputs", LIMIT_MS)
@pytest.mark.parametrize("name", CODES)
def test_one_group(name: str, outputs: int, wrong: int, benchmark: BenchmarkFixture) -> None:
    """Of a mask that is known, as where the same workers are late for a while, and of a new one."""
    arrived, answers, is_wrong = _problem(CODES[name], outputs=outputs, wrong=wrong)
    reader, unusable = AnswerReader(CODES[name], arrived), torch.zeros_like(is_wrong)
    distrust = _distrust(reader, answers, is_wrong)
    _, suspects = benchmark(reader.read, answers, unusable=unusable, distrust=distrust)
    assert bool(suspects[is_wrong].all())
    if not benchmark.enabled or benchmark.stats is None:
        return

    def anew() -> None:
        AnswerReader(CODES[name], arrived).read(answers, unusable=unusable, distrust=distrust)

    # Other programs on the machine delay some rounds, the quickest one least.
    quickest_ms, anew_ms = 1e3 * benchmark.stats.stats.min, min(_ms(anew) for _ in range(10))
    benchmark.extra_info |= {"anew_ms": anew_ms}
    print(
        f"\n{name}, {outputs} outputs, {wrong} wrong: {quickest_ms:.1f} ms, {anew_ms:.1f} ms with a new mask; "
        f"{int(suspects.sum()) - wrong} others are distrusted"
    )
    # Within `LIMIT_MS` on a core of its own; how long that takes here is told by what LAPACK needs for one matrix of F.
    matrix = torch.randn(ARRIVED, ARRIVED, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    yardstick_ms = min(_ms(lambda: torch.linalg.eigh(matrix @ matrix.mT)) for _ in range(10))
    print(f"{quickest_ms / yardstick_ms:.1f} times as long as the eigenvalues of a matrix of {ARRIVED}")
    assert quickest_ms < YARDSTICKS[outputs] * yardstick_ms


@pytest.mark.parametrize("name", CODES)
def test_many_limits_masks_and_groups(name: str) -> None:
    """Beside a loop over them, of which a sample is timed."""
    code = CODES[name]
    arrived, answers, is_wrong = _problem(code, outputs=10, wrong=20, masks=MASKS, groups=GROUPS)
    distrust = _distrust(AnswerReader(code, arrived[:1]), answers[:1], is_wrong[:1])
    limits = [distrust.scale * level**2 for level in LEVELS]

    def together(masks: slice) -> Tensor:
        unusable = torch.zeros_like(is_wrong[masks])
        doubt = AnswerReader(code, arrived[masks]).doubt(answers[masks], unusable=unusable, distrust=distrust)
        trail = doubt.trail()
        return torch.stack([trail.at(trail.stop(limit, most=MOST)).square().mean((-2, -1)) for limit in limits])

    def apart(mask: int, group: int) -> Tensor:
        own, reader = answers[mask, group][None, None], AnswerReader(code, arrived[mask][None])
        unusable, found = torch.zeros(1, 1, ARRIVED, dtype=torch.bool), []
        for limit in limits:
            trail = reader.doubt(own, unusable=unusable, distrust=distrust).trail()
            found.append(trail.only_at(trail.stop(limit, most=MOST)).square().mean())
        return torch.stack(found)

    begun = time.perf_counter()
    scores = [together(slice(start, start + _TOGETHER)) for start in range(0, MASKS, _TOGETHER)]
    all_s, sample = time.perf_counter() - begun, [(0, 0), (MASKS // 2, 3), (MASKS - 1, GROUPS - 1)]
    begun = time.perf_counter()
    single = [apart(mask, group) for mask, group in sample]
    loop_s = time.perf_counter() - begun
    for (mask, group), scored in zip(sample, single, strict=True):
        torch.testing.assert_close(torch.cat(scores, 1)[:, mask, group], scored, rtol=1e-6, atol=1e-6)
    ratio = loop_s / len(sample) * MASKS * GROUPS / all_s
    sizes = f"{len(LEVELS)} limits, {MASKS} masks, {GROUPS} groups"
    print(f"\n{name}, {sizes}: {all_s:.1f} s, a loop takes {ratio:.0f} times as long")
    assert ratio > 100


def _ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begun)
