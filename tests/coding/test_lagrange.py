from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import LagrangeCode, node_set
from nercc_tune.splines.coinciding import ranks

EPS = torch.finfo(torch.float64).eps


def _code(degree: int, *, queries: int = 4, workers: int = 13, kind: str = "chebyshev") -> LagrangeCode:
    return LagrangeCode(node_set(kind, queries=queries, workers=workers), degree=degree)


def _queries(count: int = 4) -> Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _polynomial(queries: Tensor, degree: int) -> Tensor:
    """Return outputs of degree d in the three numbers of a query: products of mixes of them."""
    weights = torch.randn(degree, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    outputs = torch.ones(len(queries), 2, dtype=torch.float64)
    for weight in weights:
        outputs = outputs * (queries @ weight + 0.5)
    return outputs


@pytest.mark.parametrize(("degree", "needed"), [(1, 4), (2, 7), (3, 10), (4, 13)])
def test_polynomials_are_recovered_from_as_many_answers_as_are_needed_and_no_fewer(degree: int, needed: int) -> None:
    code, queries = _code(degree), _queries()
    assert (code.needed, code.threshold) == (needed, needed)
    answers = _polynomial(code.encode(queries), degree)
    expected = _polynomial(queries, degree)
    for count in range(needed, 14):
        for seed in range(5):
            arrived = torch.randperm(13, generator=torch.Generator().manual_seed(seed))[:count]
            estimates = code.decode(answers[arrived], arrived)
            # Nothing but rounding of the answers, a few units in the last place, and what it grows by.
            tolerance = 20 * EPS * code.condition(arrived) * float(answers.abs().max())
            torch.testing.assert_close(estimates, expected, rtol=0, atol=tolerance)
    message = rf"at least \(K - 1\) d \+ 1 = \(4 - 1\) {degree} \+ 1 = {needed} nodes that differ, but got {needed - 1}"
    with pytest.raises(ValueError, match=f"`arrived` must have {message}"):
        code.decode(answers[: needed - 1], range(needed - 1))


@pytest.mark.parametrize(("degree", "needed"), [(1, 4), (2, 7)])
def test_spread_answers_of_that_number_are_read_to_8_digits(degree: int, needed: int) -> None:
    code, queries = _code(degree), _queries()
    arrived = torch.linspace(0, 12, needed).round().long()
    estimates = code.decode(_polynomial(code.encode(queries), degree)[arrived], arrived)
    torch.testing.assert_close(estimates, _polynomial(queries, degree), rtol=1e-8, atol=0)


def test_one_degree_more_than_stated_is_not_recovered() -> None:
    code, queries = _code(1), _queries()
    estimates = code.decode(_polynomial(code.encode(queries), 2), range(13))
    assert float((estimates - _polynomial(queries, 2)).abs().max()) > 1e-2


@pytest.mark.parametrize("kind", ["chebyshev", "first-kind", "uniform", "copies-2"])
@pytest.mark.parametrize("queries", [1, 2, 6])
def test_the_encoder_is_the_polynomial_through_the_queries(kind: str, queries: int) -> None:
    code = _code(1, queries=queries, workers=14, kind=kind)
    powers = torch.arange(queries)
    on_queries, on_workers = (nodes[:, None] ** powers for nodes in (code.nodes.alpha, code.nodes.beta))
    expected = on_workers @ torch.linalg.inv(on_queries)
    torch.testing.assert_close(code.encoder_matrix, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", ["chebyshev", "uniform", "copies-2"])
def test_the_decoder_is_numpys_polynomial_of_least_squares(kind: str) -> None:
    code = _code(2, workers=20, kind=kind)
    answers = torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for arrived in ([*range(20)], [*range(1, 20)], [*range(0, 20, 2)], [0, 1, 4, 5, 7, 8, 12, 14, 18, 19]):
        fit = np.polynomial.Chebyshev.fit(code.nodes.beta[arrived].numpy(), answers[arrived].numpy(), 6)
        expected = torch.from_numpy(fit(code.nodes.alpha.numpy()))
        # NumPy solves with columns scaled and small singular values cut at n ε, of a system of condition 1e3 at most.
        torch.testing.assert_close(code.decode(answers[arrived], arrived), expected, rtol=0, atol=1e-10)


def test_the_order_of_the_workers_does_not_matter() -> None:
    code = _code(2)
    answers = _polynomial(code.encode(_queries()), 2)
    arrived = torch.tensor([11, 0, 3, 12, 7, 5, 9, 2])
    expected = code.decode(answers[arrived.sort().values], arrived.sort().values)
    torch.testing.assert_close(code.decode(answers[arrived], arrived), expected, rtol=1e-12, atol=1e-12)


def test_copies_of_a_node_count_once() -> None:
    code = _code(1, workers=12, kind="copies-3")
    assert code.nodes.beta.unique(return_counts=True)[1].tolist() == [3, 3, 3, 3]
    assert (code.needed, code.threshold) == (4, 10)
    answers = code.encode(_queries())
    torch.testing.assert_close(code.decode(answers[[0, 1, 4, 7, 11]], [0, 1, 4, 7, 11]), _queries())
    with pytest.raises(ValueError, match=r"`arrived` must have at least .* = 4 nodes that differ, but got 3"):
        code.decode(answers[:9], range(9))


def test_one_set_of_too_few_spoils_a_batch() -> None:
    with pytest.raises(ValueError, match="= 4 nodes that differ, but got 3"):
        _code(1, workers=12, kind="copies-3").decoder_matrix(torch.tensor([[0, 3, 6, 9], [0, 1, 3, 6]]))


@pytest.mark.parametrize("kind", ["chebyshev", "copies-2", "copies-3"])
def test_no_fewer_answers_than_the_threshold_always_suffice(kind: str) -> None:
    code = _code(1, queries=3, workers=9, kind=kind)
    rank = ranks(code.nodes.beta).tolist()
    for count in range(1, 10):
        is_enough = all(len({rank[worker] for worker in some}) >= 3 for some in combinations(range(9), count))
        assert is_enough == (count >= code.threshold)


class TestBears:
    @pytest.mark.parametrize(
        ("degree", "arrived", "expected"), [(1, 4, 0), (1, 5, 0), (1, 6, 1), (1, 13, 4), (2, 11, 2)]
    )
    def test_two_more_answers_bear_one_more_wrong_one(self, degree: int, arrived: int, expected: int) -> None:
        assert _code(degree).bears(arrived) == expected

    def test_so_many_wrong_answers_are_told_from_any_others_and_one_more_is_not(self) -> None:
        code = _code(1, queries=2, workers=6)
        wrong = code.bears(6)
        assert wrong == 2
        lines = torch.stack([torch.ones(6).double(), code.nodes.beta], dim=-1)
        for count, is_told in ((2 * wrong, True), (2 * wrong + 1, False)):
            # Two words with so many wrong answers each may agree where a word that is not 0 vanishes on the others.
            spared = [torch.tensor(some) for some in combinations(range(6), 6 - count)]
            ranks_left = {int(torch.linalg.matrix_rank(lines[some])) for some in spared}
            assert (ranks_left == {2}) == is_told

    @pytest.mark.parametrize("arrived", [3, 0, 14])
    def test_too_few_or_too_many_are_refused(self, arrived: int) -> None:
        message = rf"`arrived` must be from 4, .* at least \(K - 1\) d \+ 1 = .* to 13, but got {arrived}"
        with pytest.raises(ValueError, match=message):
            _code(1).bears(arrived)


class TestCondition:
    def test_it_is_the_largest_growth_of_an_error(self) -> None:
        code, arrived = _code(2), [0, 2, 3, 5, 6, 8, 9, 12]
        condition = code.condition(arrived)
        worst = code.decoder_matrix(arrived).abs().sum(-1).argmax()
        error = code.decoder_matrix(arrived)[worst].sign()
        assert float(code.decode(error, arrived).abs().max()) == pytest.approx(condition, rel=1e-12)

    def test_it_is_moderate_for_random_losses_and_huge_for_neighbours(self) -> None:
        code = _code(1, queries=50, workers=200)
        random = [
            code.condition(torch.randperm(200, generator=torch.Generator().manual_seed(seed))[:150])
            for seed in range(20)
        ]
        assert all(math.isfinite(condition) and 1 <= condition < 100 for condition in random)
        bursts = [code.condition(range(lost, 200)) for lost in (0, 10, 25, 40, 50)]
        assert bursts == sorted(bursts)
        assert bursts[0] < 3
        assert bursts[-1] > 1e15

    def test_it_grows_with_the_degree(self) -> None:
        arrived = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:150]
        conditions = [_code(degree, queries=50, workers=200).condition(arrived) for degree in (1, 2, 3)]
        assert conditions == sorted(conditions)
        assert conditions[-1] > 1e3 * conditions[0]


@pytest.mark.parametrize("degree", [0, -1, 1.5, True])
def test_what_is_no_degree_is_refused(degree: int) -> None:
    with pytest.raises(ValueError, match=f"`degree` must be a whole number of at least 1, but got {degree}"):
        _code(degree)


def test_a_code_that_could_never_decode_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"`nodes` must have at least \(K - 1\) d \+ 1 = .* = 13 worker nodes .* got 12"
    ):
        _code(4, workers=12)
    with pytest.raises(ValueError, match="= 7 worker nodes that differ, but got 4"):
        _code(2, workers=12, kind="copies-3")
