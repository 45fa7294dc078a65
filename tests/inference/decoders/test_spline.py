from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import NerccCode, NodeSet, node_set
from nercc_tune.inference import SplineDecoder, Truth, measure
from nercc_tune.inference.decoders import spline
from nercc_tune.records import DecodeSpace
from tests.inference.fakes import exactly

NODES = node_set("chebyshev", queries=10, workers=30)
QUADRATIC: tuple[DecodeSpace, ...] = ("probabilities", "logits")
GROUPS = 3


def _code(smoothing: float, nodes: NodeSet = NODES) -> NerccCode:
    return NerccCode(nodes, lambda_enc=0.0, lambda_dec=smoothing)


def _draw(space: DecodeSpace, *, noise: float) -> tuple[Tensor, Truth]:
    """Return answers that follow a smooth curve through the outputs, up to noise, and the truth."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(GROUPS, 3, 4, dtype=torch.float64, generator=generator)

    def curve(at: Tensor) -> Tensor:
        return torch.stack([torch.sin(2 * at), at, torch.cos(3 * at)], dim=-1) @ mix

    answers = curve(NODES.beta)
    answers = answers + noise * torch.randn(answers.shape, dtype=torch.float64, generator=generator)
    labels = torch.zeros(GROUPS, 10, dtype=torch.int64)
    return answers, Truth.of(curve(NODES.alpha), labels, decode_space=space)


def _direct(answers: Tensor, arrived: Tensor, smoothing: float) -> Tensor:
    """Decode every group under every mask with the code itself: [M, G, K, c]."""
    return torch.einsum("mkf,gmfc->mgkc", _code(smoothing).decoder_matrix(arrived).to(answers), answers[:, arrived])


def _direct_mse(answers: Tensor, truth: Truth, arrived: Tensor, smoothing: float) -> Tensor:
    return measure([_direct(truth.answers(answers), arrived, smoothing)], truth).mse.mean(0)


def _own_nodes() -> NodeSet:
    """Return α that differ from group to group."""
    powers = torch.tensor([0.6, 1.0, 1.3], dtype=torch.float64)[:, None]
    alpha = NODES.alpha.sign() * NODES.alpha.abs() ** powers
    return NodeSet(alpha=alpha, beta=NODES.beta)


@pytest.mark.parametrize("space", QUADRATIC)
@pytest.mark.parametrize("stragglers", [0, 5, 20, 27])
def test_the_curve_is_the_mse_of_decoding_at_every_smoothing(space: DecodeSpace, stragglers: int) -> None:
    answers, truth = _draw(space, noise=0.3)
    arrived = exactly(stragglers, workers=30, masks=4, seed=0)
    smoothing = (0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 0.1, 1.0, 1e4, 1e12)
    curve = SplineDecoder(NODES, arrived).error_curve(truth.answers(answers), truth)
    found = curve(torch.tensor(smoothing, dtype=torch.float64))
    expected = torch.stack([_direct_mse(answers, truth, arrived, value) for value in smoothing], dim=-1)
    assert found.shape == (4, len(smoothing))
    # The quadratic form cancels ‖T‖² against an MSE that noise keeps above a hundredth of it.
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("stragglers", [28, 29])
def test_one_or_two_answers_are_enough(stragglers: int) -> None:
    answers, truth = _draw("logits", noise=0.3)
    arrived = exactly(stragglers, workers=30, masks=4, seed=0)
    found = SplineDecoder(NODES, arrived).error_curve(answers, truth)(torch.tensor([0.0, 1e-3]))
    expected = _direct_mse(answers, truth, arrived, 0.0)
    torch.testing.assert_close(found, expected[:, None].expand(-1, 2), rtol=1e-8, atol=0)


@pytest.mark.parametrize("build", [torch.Tensor.float, torch.Tensor.double])
def test_answers_may_be_in_single_precision(build: Callable[[Tensor], Tensor]) -> None:
    answers, truth = _draw("probabilities", noise=0.3)
    arrived = exactly(8, workers=30, masks=4, seed=0)
    curve = SplineDecoder(NODES, arrived).error_curve(truth.answers(build(answers)), truth)
    found = curve(torch.tensor([1e-4]))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found[:, 0], _direct_mse(answers, truth, arrived, 1e-4), rtol=2e-5, atol=0)


def test_after_a_softmax_there_is_no_quadratic_form() -> None:
    answers, truth = _draw("logits-softmax", noise=0.3)
    decoder = SplineDecoder(NODES, exactly(5, workers=30, masks=2, seed=0))
    with pytest.raises(ValueError, match="the error is a quadratic form only for shared α and in the decode space"):
        decoder.error_curve(answers, truth)


def test_with_own_nodes_there_is_no_quadratic_form() -> None:
    answers, truth = _draw("logits", noise=0.3)
    decoder = SplineDecoder(_own_nodes(), exactly(5, workers=30, masks=2, seed=0))
    assert not decoder.is_shared
    with pytest.raises(ValueError, match="the error is a quadratic form only for shared α and in the decode space"):
        decoder.error_curve(answers, truth)


@pytest.mark.parametrize("smoothing", [0.0, 1e-9, 1e-4, 1.0])
def test_estimates_and_degrees_of_freedom_are_those_of_the_code(smoothing: float) -> None:
    answers, _ = _draw("logits", noise=0.3)
    arrived = exactly(8, workers=30, masks=4, seed=0)
    decoder = SplineDecoder(NODES, arrived)
    found = torch.cat(list(decoder.decode(decoder.transform(answers.float()), smoothing)))
    assert found.shape == (4, GROUPS, 10, 4)
    # Answers are in float32, and a decoder at λ = 0 with a gap at the edge has weights above 10.
    torch.testing.assert_close(found, _direct(answers, arrived, smoothing).float(), rtol=1e-4, atol=1e-4)
    dof = _code(smoothing).df_dec(arrived)
    assert float(decoder.df(smoothing).mean()) == pytest.approx(dof, rel=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 1e-6, 1e-2])
def test_groups_with_nodes_of_their_own_are_decoded_with_these(smoothing: float) -> None:
    answers, _ = _draw("logits", noise=0.3)
    arrived, nodes = exactly(8, workers=30, masks=4, seed=0), _own_nodes()
    decoder = SplineDecoder(nodes, arrived)
    found = torch.cat(list(decoder.decode(decoder.transform(answers.float()), smoothing)))
    for group, alpha in enumerate(nodes.alpha):
        matrices = _code(smoothing, NodeSet(alpha=alpha, beta=nodes.beta)).decoder_matrix(arrived)
        expected = matrices @ answers[group, arrived]
        torch.testing.assert_close(found[:, group], expected.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("nodes", [NODES, _own_nodes()], ids=["shared", "own"])
def test_some_of_the_groups_may_be_decoded(nodes: NodeSet) -> None:
    answers, _ = _draw("logits", noise=0.3)
    decoder = SplineDecoder(nodes, exactly(8, workers=30, masks=4, seed=0))
    everything = torch.cat(list(decoder.decode(decoder.transform(answers.float()), 1e-4)))
    for groups in (slice(0, 1), slice(1, 3)):
        transformed = decoder.transform(answers[groups].float())
        found = torch.cat(list(decoder.decode(transformed, 1e-4, groups=groups)))
        torch.testing.assert_close(found, everything[:, groups], rtol=1e-5, atol=1e-6)  # sums in another order


@pytest.mark.parametrize("nodes", [NODES, _own_nodes()], ids=["shared", "own"])
def test_masks_may_be_decoded_a_few_at_a_time(nodes: NodeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, _ = _draw("logits", noise=0.3)
    decoder = SplineDecoder(nodes, exactly(8, workers=30, masks=5, seed=0))
    transformed = decoder.transform(answers.float())
    (together,) = decoder.decode(transformed, 1e-4)
    numbers = GROUPS * 10 * 4
    for room, parts in ((1, 5), (2 * numbers, 3), (4 * numbers, 2)):
        monkeypatch.setattr(spline, "_DECODED_NUMBERS", room)
        apart = list(decoder.decode(transformed, 1e-4))
        assert len(apart) == parts
        torch.testing.assert_close(torch.cat(apart), together, rtol=1e-5, atol=1e-6)
