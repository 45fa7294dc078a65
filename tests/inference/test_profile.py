from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import NerccCode, NodeSet, node_set
from nercc_tune.inference import DecoderProfile, Truth, exactly, measure

NODES = node_set("chebyshev", queries=10, workers=30)
GRID = (0.0, *(10 ** (-14 + step / 4) for step in range(57)))
SPACES = ("probabilities", "logits")


def _code(smoothing: float, nodes: NodeSet = NODES) -> NerccCode:
    return NerccCode(nodes, lambda_enc=0.0, lambda_dec=smoothing)


def _draw(space: str, *, noise: float, groups: int = 3) -> tuple[Tensor, Truth]:
    """Return answers that follow a smooth curve through the outputs, up to noise, and the truth."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(groups, 3, 4, dtype=torch.float64, generator=generator)

    def curve(at: Tensor) -> Tensor:
        return torch.stack([torch.sin(2 * at), at, torch.cos(3 * at)], dim=-1) @ mix

    answers = curve(NODES.beta)
    answers = answers + noise * torch.randn(answers.shape, dtype=torch.float64, generator=generator)
    labels = torch.zeros(groups, 10, dtype=torch.int64)
    return answers, Truth.of(curve(NODES.alpha), labels, decode_space=space)


def _direct(answers: Tensor, truth: Truth, arrived: Tensor, smoothing: float) -> Tensor:
    """Return the MSE [M] by decoding every group under every mask with the code itself."""
    return measure(answers, _code(smoothing).decoder_matrix(arrived), arrived, truth).mse.mean(0)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("stragglers", [0, 5, 20, 27])
def test_it_is_the_mse_of_decoding_at_every_smoothing(space: str, stragglers: int) -> None:
    answers, truth = _draw(space, noise=0.3)
    arrived = exactly(stragglers, workers=30, masks=4, seed=0)
    smoothing = (0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 0.1, 1.0, 1e4, 1e12)
    found = DecoderProfile(NODES, arrived).mse(answers, truth, torch.tensor(smoothing, dtype=torch.float64))
    expected = torch.stack([_direct(answers, truth, arrived, value) for value in smoothing], dim=-1)
    assert found.shape == (4, len(smoothing))
    # The quadratic form cancels ‖T‖² against an MSE that noise keeps above a hundredth of it.
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("stragglers", [28, 29])
def test_one_or_two_answers_are_enough(stragglers: int) -> None:
    answers, truth = _draw("logits", noise=0.3)
    arrived = exactly(stragglers, workers=30, masks=4, seed=0)
    found = DecoderProfile(NODES, arrived).mse(answers, truth, torch.tensor([0.0, 1e-3]))
    expected = _direct(answers, truth, arrived, 0.0)
    torch.testing.assert_close(found, expected[:, None].expand(-1, 2), rtol=1e-8, atol=0)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("noise", "stragglers"), [(0.03, 0), (0.3, 5), (3.0, 5), (0.3, 18)])
def test_the_best_is_that_of_a_dense_search_to_three_digits(space: str, noise: float, stragglers: int) -> None:
    answers, truth = _draw(space, noise=noise)
    profile = DecoderProfile(NODES, exactly(stragglers, workers=30, masks=5, seed=1))

    def mean_mse(smoothing: Tensor) -> Tensor:
        return profile.mse(answers, truth, smoothing).mean(0)

    best, on_grid = profile.best(answers, truth, GRID)
    grid = torch.tensor(GRID, dtype=torch.float64)
    torch.testing.assert_close(torch.tensor(on_grid, dtype=torch.float64), mean_mse(grid), rtol=1e-12, atol=0)
    dense = torch.logspace(-14, 0, 14001, dtype=torch.float64)
    values = mean_mse(dense)
    least = float(dense[values.argmin()])
    assert best > 0
    # The last step of the search is 0.2 % of λ, and rounding to three digits is 0.5 % at most.
    assert best == pytest.approx(least, rel=0.01)
    assert best == float(f"{best:.2e}")
    # At the minimum the MSE is flat: 1 % of λ changes it in the fifth digit.
    assert float(mean_mse(torch.tensor([best], dtype=torch.float64))) <= float(values.min()) * (1 + 1e-5)


def test_the_best_is_zero_where_smoothing_only_harms() -> None:
    answers, truth = _draw("logits", noise=0.3)
    everyone = exactly(0, workers=30, masks=1, seed=0)
    interpolated = _code(0.0).decode(answers, everyone[0], dim=1)
    exact = Truth.of(interpolated, truth.labels, decode_space="logits")
    assert DecoderProfile(NODES, everyone).best(answers, exact, GRID)[0] == 0.0


def test_among_equals_the_best_is_zero() -> None:
    answers, truth = _draw("logits", noise=0.3)
    profile = DecoderProfile(NODES, exactly(28, workers=30, masks=2, seed=0))
    assert profile.best(answers, truth, GRID)[0] == 0.0


def test_the_best_stays_within_the_grid() -> None:
    answers, truth = _draw("logits", noise=0.3)
    profile = DecoderProfile(NODES, exactly(5, workers=30, masks=3, seed=0))
    everywhere = profile.best(answers, truth, GRID)[0]
    low = (0.0, *(everywhere * 10**-4 * 2**step for step in range(5)))
    assert profile.best(answers, truth, low)[0] == pytest.approx(low[-1], rel=0.005)
    high = (0.0, *(everywhere * 3 * 2**step for step in range(5)))
    assert profile.best(answers, truth, high)[0] == pytest.approx(high[1], rel=0.005)


def test_decoders_and_degrees_of_freedom_are_those_of_the_code() -> None:
    arrived = exactly(8, workers=30, masks=4, seed=0)
    profile = DecoderProfile(NODES, arrived)
    for smoothing in (0.0, 1e-9, 1e-4, 1.0):
        expected = _code(smoothing).decoder_matrix(arrived)
        torch.testing.assert_close(profile.decoders(smoothing), expected, rtol=0, atol=1e-8)
        assert profile.df(smoothing) == pytest.approx(_code(smoothing).df_dec(arrived), rel=1e-10)


@pytest.mark.parametrize("build", [torch.Tensor.float, torch.Tensor.double])
def test_answers_may_be_in_single_precision(build: Callable[[Tensor], Tensor]) -> None:
    answers, truth = _draw("probabilities", noise=0.3)
    arrived = exactly(8, workers=30, masks=4, seed=0)
    found = DecoderProfile(NODES, arrived).mse(build(answers), truth, torch.tensor([1e-4]))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found[:, 0], _direct(answers, truth, arrived, 1e-4), rtol=2e-5, atol=0)
