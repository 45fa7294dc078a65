"""Laws of systematic codes whose networks are trained."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nercc_tune.coding import (
    BASE,
    MIXERS,
    NonFiniteAnswers,
    TrainedCode,
    build_output_decoder,
    subtraction_matrix,
)

SHAPE = (1, 4, 4)
OUTPUTS = 3
SIZES = [(2, 3), (3, 4), (4, 5), (3, 5), (4, 7)]


def _linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, OUTPUTS, bias=False)).double()


def _parity_code(queries: int, workers: int, base: nn.Module) -> TrainedCode:
    parities = workers - queries
    mixer = MIXERS["addition"].build(queries=queries, parities=parities, shape=SHAPE)
    return TrainedCode(queries=queries, workers=workers, mixer=mixer, parity_networks=(base,) * parities)


def _learned_code() -> TrainedCode:
    torch.manual_seed(1)
    return TrainedCode(
        queries=2,
        workers=3,
        mixer=MIXERS["mlp"].build(queries=2, parities=1, shape=SHAPE),
        decoder=build_output_decoder(queries=2, parities=1, outputs=OUTPUTS),
    )


def _queries(count: int) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize(("queries", "workers"), SIZES)
def test_a_linear_model_is_recovered_exactly_from_any_k_answers(queries: int, workers: int) -> None:
    base, group = _linear(), _queries(queries)
    code = _parity_code(queries, workers, base)
    answers = base(code.encode(group)).detach()
    for arrived in combinations(range(workers), queries):
        torch.testing.assert_close(
            code.decode(answers[list(arrived)], arrived), base(group).detach(), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize(("queries", "workers"), SIZES)
def test_subtraction_takes_the_generator_back(queries: int, workers: int) -> None:
    weights = torch.arange(1.0, queries + 1, dtype=torch.float64) ** torch.arange(workers - queries)[:, None]
    generator = torch.cat([torch.eye(queries, dtype=torch.float64), weights])
    for arrived in combinations(range(workers), queries):
        matrix = subtraction_matrix(torch.tensor(arrived), queries=queries, workers=workers)
        torch.testing.assert_close(
            matrix @ generator[list(arrived)], torch.eye(queries, dtype=torch.float64), rtol=0, atol=1e-9
        )


def test_too_few_answers_give_the_solution_of_least_norm() -> None:
    matrix = subtraction_matrix(torch.tensor([3]), queries=3, workers=4)
    torch.testing.assert_close(matrix, torch.full((3, 1), 1 / 3, dtype=torch.float64))
    lost = subtraction_matrix(torch.tensor([0, 1]), queries=3, workers=4)
    torch.testing.assert_close(lost, torch.eye(3, 2, dtype=torch.float64))


@pytest.mark.parametrize("code", [_parity_code(2, 3, _linear()), _learned_code()])
def test_what_arrives_is_passed_on_and_plain_queries_are_sent(code: TrainedCode) -> None:
    group = _queries(2)
    torch.testing.assert_close(code.encode(group)[:2], group, rtol=0, atol=0)
    answers = torch.randn(3, OUTPUTS, generator=torch.Generator().manual_seed(3))
    for arrived in ([0, 1], [0, 2], [2, 1], [0, 1, 2]):
        estimates = code.decode(answers[arrived], arrived)
        for query in {0, 1} & set(arrived):
            torch.testing.assert_close(estimates[query], answers[query], rtol=0, atol=0)


@pytest.mark.parametrize("code", [_parity_code(2, 3, _linear()), _learned_code()])
def test_the_order_of_the_answers_does_not_matter(code: TrainedCode) -> None:
    answers = torch.randn(3, OUTPUTS, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(code.decode(answers[[0, 2]], [0, 2]), code.decode(answers[[2, 0]], [2, 0]))
    mask = np.array([True, False, True])
    torch.testing.assert_close(code.decode(answers[[0, 2]], [0, 2]), code.decode(answers[[0, 2]], mask))


def test_a_learned_code_reads_zeros_for_what_is_missing() -> None:
    code = _learned_code()
    answers = torch.randn(3, OUTPUTS, generator=torch.Generator().manual_seed(5))
    assert code.decoder is not None
    given = answers.clone()
    given[0] = 0
    expected = code.decoder(given[None])[0, 0].detach()
    torch.testing.assert_close(code.decode(answers[[1, 2]], [1, 2])[0], expected)


def test_parity_workers_have_names_and_networks() -> None:
    base = _linear()
    code = _parity_code(3, 5, base)
    assert code.networks == (BASE, BASE, BASE, "parity-1", "parity-2")
    assert code.network("parity-2") is base
    assert set(code.modules()) == {"mixer", "parity-1", "parity-2"}
    assert _learned_code().networks == (BASE, BASE, BASE)
    with pytest.raises(ValueError, match="must be one of parity-1, parity-2, but got 'base'"):
        code.network(BASE)


def test_arrays_come_back_as_arrays_along_any_axis() -> None:
    code, group = _parity_code(2, 3, _linear()), _queries(2)
    coded = code.encode(group.movedim(0, -1).numpy(), dim=-1)
    assert isinstance(coded, np.ndarray)
    assert coded.shape == (*SHAPE, 3)
    assert coded.dtype == np.float64
    answers = np.random.default_rng(0).normal(size=(OUTPUTS, 2))
    assert code.decode(answers, [0, 2], dim=1).shape == (OUTPUTS, 2)


def test_an_answer_that_is_not_finite_counts_as_missing() -> None:
    code = _parity_code(2, 3, _linear())
    answers = torch.randn(3, OUTPUTS, generator=torch.Generator().manual_seed(6))
    answers[1, 0] = torch.nan
    with pytest.warns(NonFiniteAnswers, match="workers 1 hold"):
        estimates = code.decode(answers, [0, 1, 2])
    torch.testing.assert_close(estimates, code.decode(answers[[0, 2]], [0, 2]))
    _, suspects = code.decode(answers, [0, 1, 2], return_suspects=True)
    assert suspects == (1,)


def test_what_cannot_be_is_refused() -> None:
    mixer = MIXERS["addition"].build(queries=2, parities=1, shape=SHAPE)
    with pytest.raises(ValueError, match="`1 <= queries < workers` must hold, but got 3 and 3"):
        TrainedCode(queries=3, workers=3, mixer=mixer)
    with pytest.raises(ValueError, match="one for each of 1 parity workers where there is no `decoder`, but got 0"):
        TrainedCode(queries=2, workers=3, mixer=mixer)
    code = _parity_code(2, 3, _linear())
    with pytest.raises(ValueError, match="must hold 2 queries along axis 0, but got 3"):
        code.encode(_queries(3))
    with pytest.raises(ValueError, match="must be floating point, but got"):
        code.encode(torch.zeros(2, *SHAPE, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`answers` must be floating point \[F, c\]"):
        code.decode(torch.zeros(2), [0, 2])
    with pytest.raises(ValueError, match="one answer for each of the 2 arrived workers"):
        code.decode(torch.zeros(3, OUTPUTS), [0, 2])
