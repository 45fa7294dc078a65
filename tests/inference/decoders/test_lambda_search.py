from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import NerccCode, node_set
from nercc_tune.inference import SplineDecoder, Truth
from nercc_tune.inference.decoders.lambda_search import minimise_curve, minimise_rank
from nercc_tune.records import DecodeSpace
from tests.inference.fakes import exactly

GRID = (0.0, *(10 ** (-14 + step / 4) for step in range(57)))
COARSE = (0.0, *(10 ** (-14 + step / 2) for step in range(29)))
NODES = node_set("chebyshev", queries=10, workers=30)
Curve = Callable[[Tensor], Tensor]


def _problem(space: DecodeSpace, *, noise: float, stragglers: int, seed: int = 1) -> Curve:
    """Return the mean MSE as a function of λ for answers on a smooth curve, up to noise."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(3, 3, 4, dtype=torch.float64, generator=generator)

    def curve(at: Tensor) -> Tensor:
        return torch.stack([torch.sin(2 * at), at, torch.cos(3 * at)], dim=-1) @ mix

    answers = curve(NODES.beta)
    answers = answers + noise * torch.randn(answers.shape, dtype=torch.float64, generator=generator)
    truth = Truth.of(curve(NODES.alpha), torch.zeros(3, 10, dtype=torch.int64), decode_space=space)
    decoder = SplineDecoder(NODES, exactly(stragglers, workers=30, masks=5, seed=seed))
    error = decoder.error_curve(truth.answers(answers), truth)
    return lambda smoothing: error(smoothing).mean(0)


def _value(curve: Curve, smoothing: float) -> float:
    return float(curve(torch.tensor([smoothing], dtype=torch.float64)))


def _rank(curve: Curve) -> Callable[[float], tuple[float, ...]]:
    return lambda smoothing: (_value(curve, smoothing),)


def _parabola(least: float, *, floor: float = 1.0) -> Curve:
    """Return a smooth curve with its minimum at a λ."""
    return lambda smoothing: floor + (smoothing.clamp(min=1e-30).log10() - math.log10(least)).square()


@pytest.mark.parametrize("space", ["probabilities", "logits"])
@pytest.mark.parametrize(("noise", "stragglers"), [(0.03, 0), (0.3, 5), (3.0, 5), (0.3, 18)])
def test_the_best_is_that_of_a_dense_search_to_three_digits(space: DecodeSpace, noise: float, stragglers: int) -> None:
    curve = _problem(space, noise=noise, stragglers=stragglers)
    best, on_grid = minimise_curve(curve, GRID)
    grid = torch.tensor(GRID, dtype=torch.float64)
    torch.testing.assert_close(torch.tensor(on_grid, dtype=torch.float64), curve(grid), rtol=1e-12, atol=0)
    dense = torch.logspace(-14, 0, 14001, dtype=torch.float64)
    values = curve(dense)
    least = float(dense[values.argmin()])
    assert best > 0
    # The last step of the search is 0.2 % of λ, and rounding to three digits is 0.5 % at most.
    assert best == pytest.approx(least, rel=0.01)
    assert best == float(f"{best:.2e}")
    # At the minimum the MSE is flat: 1 % of λ changes it in the fifth digit.
    assert _value(curve, best) <= float(values.min()) * (1 + 1e-5)


@pytest.mark.parametrize("space", ["probabilities", "logits"])
@pytest.mark.parametrize(("noise", "stragglers"), [(0.03, 0), (0.3, 5), (3.0, 5), (0.3, 18)])
def test_one_at_a_time_the_best_is_found_to_five_percent(space: DecodeSpace, noise: float, stragglers: int) -> None:
    curve = _problem(space, noise=noise, stragglers=stragglers)
    dense = torch.logspace(-14, 0, 14001, dtype=torch.float64)
    least = float(dense[curve(dense).argmin()])
    assert minimise_rank(_rank(curve), COARSE) == pytest.approx(least, rel=0.05)


@pytest.mark.parametrize("least", [2.3e-13, 1e-9, 4.56e-7, 7.7e-4, 0.31])
def test_the_least_of_a_parabola_is_found(least: float) -> None:
    curve = _parabola(least)
    assert minimise_curve(curve, GRID)[0] == pytest.approx(least, rel=0.01)
    assert minimise_rank(_rank(curve), COARSE) == pytest.approx(least, rel=0.05)


def test_few_points_are_tried() -> None:
    tried: list[float] = []

    def rank(smoothing: float) -> tuple[float, ...]:
        tried.append(smoothing)
        return (_value(_parabola(3e-6), smoothing),)

    minimise_rank(rank, COARSE)
    assert len(tried) == len(set(tried)) <= len(COARSE) + 10


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_worse_than_the_grid(seed: int) -> None:
    """Not even for a function without any order."""
    generator = torch.Generator().manual_seed(seed)
    noise: dict[float, float] = {}

    def rank(smoothing: float) -> tuple[float, ...]:
        return (noise.setdefault(smoothing, float(torch.rand(1, generator=generator))),)

    best = minimise_rank(rank, COARSE)
    assert noise[best] == min(noise.values())
    assert set(COARSE) <= set(noise)


def test_the_best_is_zero_where_smoothing_only_harms() -> None:
    everyone = exactly(0, workers=30, masks=1, seed=0)
    answers = torch.randn(2, 30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    interpolated = NerccCode(NODES, lambda_enc=0.0, lambda_dec=0.0).decode(answers, everyone[0], dim=1)
    exact = Truth.of(interpolated, torch.zeros(2, 10, dtype=torch.int64), decode_space="logits")
    error = SplineDecoder(NODES, everyone).error_curve(answers, exact)

    def curve(smoothing: Tensor) -> Tensor:
        return error(smoothing).mean(0)

    assert minimise_curve(curve, GRID)[0] == 0.0
    assert minimise_rank(_rank(curve), COARSE) == 0.0


def test_among_equals_the_smaller_wins() -> None:
    two_answers = _problem("logits", noise=0.3, stragglers=28, seed=0)  # which no λ changes
    assert minimise_curve(two_answers, GRID)[0] == 0.0
    assert minimise_rank(lambda _: (1.0,), COARSE) == 0.0
    assert minimise_rank(lambda smoothing: (float(smoothing < 1e-6),), COARSE) == pytest.approx(1e-6, rel=1e-3)


def test_later_keys_decide_between_equal_ones() -> None:
    def rank(smoothing: float) -> tuple[float, ...]:
        return (max(1e-6 - smoothing, 0.0), _value(_parabola(1e-9), smoothing))

    assert minimise_rank(rank, COARSE) == pytest.approx(1e-6, rel=0.05)


@pytest.mark.parametrize("search", [lambda curve, grid: minimise_curve(curve, grid)[0], None], ids=["curve", "rank"])
def test_the_best_stays_within_the_grid(search: Callable[[Curve, tuple[float, ...]], float] | None) -> None:
    search = search or (lambda curve, grid: minimise_rank(_rank(curve), grid))
    curve = _problem("logits", noise=0.3, stragglers=5)
    everywhere = search(curve, GRID)
    low = (0.0, *(everywhere * 10**-4 * 2**step for step in range(5)))
    found = search(curve, low)
    assert found == pytest.approx(low[-1], rel=0.005)
    assert found <= low[-1]
    high = (0.0, *(everywhere * 3 * 2**step for step in range(5)))
    found = search(curve, high)
    assert found == pytest.approx(high[1], rel=0.005)
    assert found >= high[1]
