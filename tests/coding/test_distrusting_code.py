"""The code that distrusts: what every code keeps, and whom it names, in the caller's numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import (
    AnswerReader,
    DistrustingCode,
    GroupCode,
    KrigingCode,
    LinearCode,
    NerccCode,
    NodeSet,
    NonFiniteAnswers,
    PlacedCode,
    Placement,
    node_set,
)
from nercc_tune.coding.distrust import WEIGHTS
from nercc_tune.records import LOCATORS, Distrust, DistrustKind, Kernel

K, N, OUTPUTS = 5, 24, 3
LIAR = 6
NODES = node_set("uniform", queries=K, workers=N)
SPLINE = NerccCode(NODES, lambda_enc=0.0, lambda_dec=1e-5)
KRIGING = KrigingCode(NODES, lambda_enc=0.0, kernel=Kernel(range=2.0, nugget=1e-3))
KINDS: tuple[DistrustKind, ...] = ("residuals", "huber", "tukey", "polynomial", "rational")


def _answers(*, liar: int | None = LIAR) -> Tensor:
    """Return answers along a parabola of the nodes, of which one is wrong."""
    at = NODES.beta[:, None]
    answers = at.square() * torch.tensor([1.0, -0.5, 0.25]).double() + at
    if liar is not None:
        answers[liar] += torch.tensor([9.0, -8.0, 7.0]).double()
    return answers


def _distrust(kind: DistrustKind, inner: NerccCode | KrigingCode = SPLINE) -> Distrust:
    """Return a distrust that expects a noise of 0.02, which is more than 16 bits round."""
    if kind in LOCATORS:
        return Distrust(kind=kind, level=1, most=1)
    noise = torch.randn(N, OUTPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    noisy = (_answers(liar=None) + 0.02 * noise)[None, None]
    deviations = AnswerReader(inner, torch.arange(N)[None]).deviations(noisy, unusable=torch.zeros(1, 1, N).bool())
    return Distrust(kind=kind, level=6.0, most=3, scale=float(deviations.mean()))


CODES = {
    f"{kind} {name}": DistrustingCode(inner, _distrust(kind, inner))
    for kind in KINDS
    for name, inner in (("spline", SPLINE), ("kriging", KRIGING))
}


def _kind(code: DistrustingCode) -> str:
    distrust = code.distrust_for(N)
    assert distrust is not None
    return distrust.kind


@pytest.fixture(params=list(CODES))
def code(request: pytest.FixtureRequest) -> DistrustingCode:
    return CODES[request.param]


class TestContract:
    def test_the_matrices_are_those_of_the_code(self, code: DistrustingCode) -> None:
        arrived = torch.tensor([9, 3, 20, 11])
        assert torch.equal(code.encoder_matrix, code.inner.encoder_matrix)
        assert torch.equal(code.decoder_matrix(arrived), code.inner.decoder_matrix(arrived))
        assert (code.queries, code.workers, code.networks) == (K, N, code.inner.networks)
        assert code.is_distrusting
        assert not code.inner.is_distrusting

    def test_it_names_who_lies_and_reads_the_others(self, code: DistrustingCode) -> None:
        found, suspects = code.decode(_answers(), range(N), return_suspects=True)
        assert suspects == (LIAR,)
        rest = [worker for worker in range(N) if worker != LIAR]
        expected = code.inner.decode(_answers()[rest], rest)
        # Huber's weight never ends, and Tukey's is a little less than 1 for right answers too.
        tolerance = 0.05 if _kind(code) in WEIGHTS else 1e-6
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)

    def test_it_keeps_the_type(self, code: DistrustingCode) -> None:
        exact, _ = code.decode(_answers(), range(N), return_suspects=True)
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            answers = _answers().to(dtype)
            estimates = code.decode(answers, range(N))
            assert estimates.dtype == dtype
            torch.testing.assert_close(estimates.double(), exact, rtol=0.0, atol=20 * torch.finfo(dtype).eps)

    def test_answers_may_lie_along_any_axis(self, code: DistrustingCode) -> None:
        answers = torch.stack([_answers(), 2 * _answers()], 1)  # [N, 2, c]
        expected, suspects = code.decode(answers, range(N), return_suspects=True)
        assert expected.shape == (K, 2, OUTPUTS)
        for dim in (1, 2, -1, -3):
            found = code.decode(answers.movedim(0, dim), range(N), dim=dim, return_suspects=True)
            torch.testing.assert_close(found[0], expected.movedim(0, dim), rtol=1e-9, atol=1e-9)
            assert found[1] == suspects

    def test_single_numbers_and_empty_batches_are_data_too(self, code: DistrustingCode) -> None:
        single, suspects = code.decode(_answers()[:, 0], range(N), return_suspects=True)
        assert single.shape == (K,)
        assert suspects == (LIAR,)
        assert code.decode(torch.zeros(N, 0, 3), range(N)).shape == (K, 0, 3)
        assert code.decode(torch.zeros(0, N), range(N), dim=1).shape == (0, K)

    def test_arrays_give_arrays(self, code: DistrustingCode) -> None:
        estimates, suspects = code.decode(_answers().numpy(), np.arange(N), return_suspects=True)
        assert isinstance(estimates, np.ndarray)
        expected, same = code.decode(_answers(), range(N), return_suspects=True)
        np.testing.assert_array_equal(estimates, expected.numpy())
        assert suspects == same

    def test_the_order_of_arrival_is_no_matter(self, code: DistrustingCode) -> None:
        arrived = torch.randperm(N, generator=torch.Generator().manual_seed(0))[:20]
        ascending = arrived.sort().values
        expected = code.decode(_answers()[ascending], ascending, return_suspects=True)
        found = code.decode(_answers()[arrived], arrived, return_suspects=True)
        assert torch.equal(found[0], expected[0])
        assert found[1] == expected[1]

    def test_what_is_not_finite_is_named_with_who_lies(self, code: DistrustingCode) -> None:
        spoilt = _answers()
        spoilt[15, 1] = math.nan
        estimates, suspects = code.decode(spoilt, range(N), return_suspects=True)
        assert suspects == (LIAR, 15)
        assert bool(estimates.isfinite().all())
        with pytest.warns(NonFiniteAnswers, match="the answers of workers 15 hold a NaN or an infinity"):
            assert torch.equal(code.decode(spoilt, range(N)), estimates)

    def test_a_few_answers_are_read_as_they_are(self, code: DistrustingCode) -> None:
        for arrived in ([4], [4, 9], [4, 9, 17]):
            given = torch.full((len(arrived), OUTPUTS), 3.0, dtype=torch.float64)
            estimates, suspects = code.decode(given, arrived, return_suspects=True)
            expected = code.inner.decode(given, arrived)
            torch.testing.assert_close(estimates, expected, rtol=1e-5, atol=1e-5)
            assert suspects == ()

    def test_answers_with_gradients_are_read_without(self, code: DistrustingCode) -> None:
        estimates = code.decode(_answers().requires_grad_(), range(N))
        assert torch.equal(estimates, code.decode(_answers(), range(N)))
        assert not estimates.requires_grad
        estimates.mul_(2)  # and may be changed


class TestByNumberOfAnswers:
    def test_the_distrust_is_that_of_so_many(self) -> None:
        asked: list[int] = []

        def distrust(arrived: int) -> Distrust | None:
            asked.append(arrived)
            return _distrust("residuals") if arrived > 20 else None

        code = DistrustingCode(SPLINE, distrust)
        assert code.decode(_answers(), range(N), return_suspects=True)[1] == (LIAR,)
        few, suspects = code.decode(_answers()[:12], range(12), return_suspects=True)
        assert suspects == ()
        assert torch.equal(few, SPLINE.decode(_answers()[:12], range(12)))
        spoilt = _answers()
        spoilt[3] = math.inf
        code.decode(spoilt, range(N), return_suspects=True)
        assert asked == [N, 12, N - 1]


class TestInTheCallersNumbers:
    def test_through_a_placed_code(self, code: DistrustingCode) -> None:
        order = torch.randperm(K, generator=torch.Generator().manual_seed(1))
        position = torch.randperm(N, generator=torch.Generator().manual_seed(2))
        placed = PlacedCode(code, order=order, position=position)
        assert placed.is_distrusting
        expected, _ = code.decode(_answers(), range(N), return_suspects=True)
        liar = int((position == LIAR).nonzero())
        given = _answers()[position]
        for arrived in (torch.arange(N), torch.arange(N).flip(0)):
            estimates, suspects = placed.decode(given[arrived], arrived, return_suspects=True)
            assert suspects == (liar,)
            torch.testing.assert_close(estimates[order], expected, rtol=1e-9, atol=1e-9)
            assert placed.decode(_answers(liar=None)[position], range(N), return_suspects=True)[1] == ()

    @pytest.mark.parametrize("nodes", ["uniform", "chord-length"])
    def test_through_the_code_of_a_group(self, nodes: str) -> None:
        def build(on: NodeSet) -> LinearCode:
            return DistrustingCode(NerccCode(on, lambda_enc=0.0, lambda_dec=1e-5), _distrust("residuals"))

        placement = Placement(ordering="nearest-neighbour", nodes=nodes, assignment="interleaved", rack=4)
        queries = torch.tensor([[3.0], [0.0], [2.0], [1.0], [4.0]]).double()
        code = GroupCode(build, queries=K, workers=N, placement=placement).on(queries)
        answers = code.encode(queries)
        for liar in (0, 7, N - 1):
            spoilt = answers.clone()
            spoilt[liar] += 9.0
            estimates, suspects = code.decode(spoilt, range(N), return_suspects=True)
            assert suspects == (liar,)
            torch.testing.assert_close(estimates, queries, rtol=0, atol=1e-2)
