"""What every code keeps, be it matrices or networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BASE, LinearCode, NonFiniteAnswers, TrainedCode
from tests.contracts.codes import OUTPUTS, SHAPE, Kind, kinds

_KINDS = kinds()
_HALVES = (torch.float16, torch.bfloat16)


@pytest.fixture(params=list(_KINDS.values()), ids=list(_KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


@pytest.fixture
def code(kind: Kind) -> LinearCode | TrainedCode:
    return kind.code


def _random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(dtype)


def _group(code: LinearCode | TrainedCode, dtype: torch.dtype = torch.float64) -> Tensor:
    return _random(code.queries, *SHAPE, dtype=dtype)


def _answers(code: LinearCode | TrainedCode, dtype: torch.dtype = torch.float64) -> Tensor:
    return _random(code.workers, OUTPUTS, dtype=dtype)


def _arrivals(code: LinearCode | TrainedCode) -> list[list[int]]:
    """Return all workers, all but the first, all but the last, every other one, and as many as there are queries."""
    everybody = list(range(code.workers))
    drawn = torch.randperm(code.workers, generator=torch.Generator().manual_seed(2))[: code.queries]
    with_one_query = sorted({0, *drawn.tolist()[1:]})  # or codes without redundancy have nothing to estimate from
    return [everybody, everybody[1:], everybody[:-1], everybody[::2], with_one_query]


class TestEncode:
    def test_each_worker_is_sent_something_of_a_querys_shape(self, code: LinearCode | TrainedCode) -> None:
        coded = code.encode(_group(code))
        assert coded.shape == (code.workers, *SHAPE)
        assert bool(coded.isfinite().all())
        assert not coded.requires_grad

    def test_plain_queries_are_sent_as_they_are(self, kind: Kind) -> None:
        for dtype in (torch.float64, torch.float32, *_HALVES):
            group = _group(kind.code, dtype)
            assert torch.equal(kind.code.encode(group)[: len(kind.plain)], group[list(kind.plain)])

    def test_queries_may_lie_along_any_axis(self, code: LinearCode | TrainedCode) -> None:
        expected = code.encode(_group(code))
        for dim in (1, 2, 3, -1, -4):
            coded = code.encode(_group(code).movedim(0, dim), dim=dim)
            # Sums of float64, or of float32 where networks mix, whose order may follow that of the axes.
            torch.testing.assert_close(coded.movedim(dim, 0), expected, rtol=1e-5, atol=1e-5)

    def test_it_keeps_the_type(self, code: LinearCode | TrainedCode) -> None:
        exact = code.encode(_group(code).float())
        for dtype in _HALVES:
            coded = code.encode(_group(code, dtype))
            assert coded.dtype == dtype
            # Queries and results are rounded to the type, with weights of up to some tens in between.
            scale = float(exact.abs().max()) * max(1.0, code.queries)
            assert float((coded.float() - exact).abs().max()) <= 4 * torch.finfo(dtype).eps * scale

    def test_arrays_give_arrays(self, code: LinearCode | TrainedCode) -> None:
        group = _group(code)
        coded = code.encode(group.numpy())
        assert isinstance(coded, np.ndarray)
        np.testing.assert_array_equal(coded, code.encode(group).numpy())
        np.testing.assert_array_equal(code.encode(group.numpy().astype(">f8")), coded)

    def test_another_number_of_queries_is_refused(self, code: LinearCode | TrainedCode) -> None:
        count = code.queries + 1
        with pytest.raises(ValueError, match=f"must hold {code.queries} queries along axis 0, but got {count}"):
            code.encode(_random(count, *SHAPE))
        with pytest.raises(ValueError, match=f"must hold {code.queries} queries along axis 1, but got 1"):
            code.encode(_group(code), dim=1)

    def test_whole_numbers_and_lists_are_refused(self, code: LinearCode | TrainedCode) -> None:
        with pytest.raises(ValueError, match=r"the data must be floating point, but got torch.uint8"):
            code.encode(torch.zeros(code.queries, *SHAPE, dtype=torch.uint8))
        with pytest.raises(TypeError, match="`queries` must be a torch tensor or a NumPy array, but got list"):
            code.encode([1.0] * code.queries)  # type: ignore[type-var]  # as a caller may


class TestDecode:
    def test_there_is_an_estimate_for_each_query(self, code: LinearCode | TrainedCode) -> None:
        for arrived in _arrivals(code):
            estimates = code.decode(_answers(code)[arrived], arrived)
            assert estimates.shape == (code.queries, OUTPUTS)
            assert bool(estimates.isfinite().all())
            assert not estimates.requires_grad

    def test_answers_to_plain_queries_are_passed_on(self, kind: Kind) -> None:
        code = kind.code
        # Where several workers have the same query, their answers are the same.
        answers = _answers(code) if isinstance(code, TrainedCode) else code.encode(_random(code.queries, OUTPUTS))
        for arrived in _arrivals(code):
            estimates = code.decode(answers[arrived], arrived)
            for worker, query in enumerate(kind.plain):
                if worker in arrived:
                    torch.testing.assert_close(estimates[query], answers[worker], rtol=0, atol=1e-12)

    def test_answers_may_come_in_any_order(self, code: LinearCode | TrainedCode) -> None:
        answers = _answers(code)
        for arrived in _arrivals(code):
            backwards = arrived[::-1]
            expected = code.decode(answers[arrived], arrived)
            torch.testing.assert_close(code.decode(answers[backwards], backwards), expected, rtol=1e-12, atol=1e-12)

    def test_numbers_a_mask_and_arrays_name_the_same_workers(self, code: LinearCode | TrainedCode) -> None:
        answers = _answers(code)
        for arrived in _arrivals(code):
            given = answers[arrived]
            mask = torch.zeros(code.workers, dtype=torch.bool)
            mask[arrived] = True
            expected = code.decode(given, arrived)
            for form in (mask, mask.numpy(), mask.tolist(), torch.tensor(arrived, dtype=torch.int32), tuple(arrived)):
                assert torch.equal(code.decode(given, form), expected)

    def test_answers_may_lie_along_any_axis(self, code: LinearCode | TrainedCode) -> None:
        answers = _answers(code)
        for arrived in _arrivals(code):
            expected = code.decode(answers[arrived], arrived)
            for dim in (1, -1):
                estimates = code.decode(answers[arrived].T, arrived, dim=dim)
                torch.testing.assert_close(estimates.T, expected, rtol=1e-12, atol=1e-12)

    def test_it_keeps_the_type(self, code: LinearCode | TrainedCode) -> None:
        everybody = range(code.workers)
        exact = code.decode(_answers(code).float(), everybody)
        for dtype in _HALVES:
            estimates = code.decode(_answers(code, dtype), everybody)
            assert estimates.dtype == dtype
            scale = float(_answers(code).abs().max()) * code.workers
            assert float((estimates.float() - exact).abs().max()) <= 4 * torch.finfo(dtype).eps * scale

    def test_arrays_give_arrays(self, code: LinearCode | TrainedCode) -> None:
        answers, arrived = _answers(code), np.arange(code.workers)
        estimates = code.decode(answers.numpy(), arrived)
        assert isinstance(estimates, np.ndarray)
        np.testing.assert_array_equal(estimates, code.decode(answers, range(code.workers)).numpy())
        np.testing.assert_array_equal(code.decode(answers.numpy().astype(">f8"), arrived), estimates)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_an_answer_that_is_not_finite_has_not_arrived(self, code: LinearCode | TrainedCode, bad: float) -> None:
        answers = _answers(code)
        spoilt = answers.clone()
        spoilt[1, 2] = bad
        rest = [worker for worker in range(code.workers) if worker != 1]
        expected = code.decode(answers[rest], rest)
        with pytest.warns(NonFiniteAnswers, match="the answers of workers 1 hold a NaN or an infinity") as warned:
            found = code.decode(spoilt, range(code.workers))
        assert warned[0].filename == __file__
        assert torch.equal(found, expected)
        backwards = list(range(code.workers))[::-1]
        found, suspects = code.decode(spoilt.flip(0).T, backwards, dim=1, return_suspects=True)
        torch.testing.assert_close(found.T, expected, rtol=1e-12, atol=1e-12)
        assert suspects == (1,)
        assert code.decode(answers, range(code.workers), return_suspects=True)[1] == ()

    def test_what_cannot_be_decoded_is_refused(self, code: LinearCode | TrainedCode) -> None:
        with pytest.raises(ValueError, match="`answers` must hold a finite answer, but all 2 have a NaN or infinity"):
            code.decode(torch.full((2, OUTPUTS), math.nan), [0, 1])
        message = f"must hold one answer for each of the {code.workers - 1} arrived workers along axis 0, but got 1"
        with pytest.raises(ValueError, match=message):
            code.decode(_random(1, OUTPUTS), range(1, code.workers))
        with pytest.raises(ValueError, match=r"must be floating point.*, but got torch.int64"):
            code.decode(torch.zeros(code.workers, OUTPUTS, dtype=torch.int64), range(code.workers))

    def test_workers_that_there_are_not_are_refused(self, code: LinearCode | TrainedCode) -> None:
        cases: list[tuple[list[int] | list[bool] | Tensor, str]] = [
            ([], "`arrived` must name at least one worker, but got none"),
            ([False] * code.workers, "`arrived` must name at least one worker, but got none"),
            ([0, code.workers], f"`arrived` must hold worker numbers from 0 to {code.workers - 1}"),
            ([-1, 0], f"`arrived` must hold worker numbers from 0 to {code.workers - 1}"),
            ([1, 1], r"`arrived` must name each worker once, but got \[1, 1\]"),
            ([True] * (code.workers - 1), f"`arrived` must be a mask of {code.workers} workers"),
            (torch.tensor([0.0, 1.0]), r"`arrived` must hold whole numbers or booleans, but got torch.float32"),
        ]
        for arrived, message in cases:
            with pytest.raises(ValueError, match=message):
                code.decode(_random(2, OUTPUTS), arrived)


def test_each_worker_has_the_name_of_its_network(kind: Kind) -> None:
    code = kind.code
    assert len(code.networks) == code.workers
    assert set(code.networks[: len(kind.plain)]) <= {BASE}
    if isinstance(code, TrainedCode):
        own = [name for name in code.networks if name != BASE]
        assert len(set(own)) == len(own) == len(code.parity_networks)
        assert [code.network(name) for name in own] == list(code.parity_networks)
    else:
        assert set(code.networks) == {BASE}


def test_the_code_of_a_group_has_the_same_sizes(code: LinearCode | TrainedCode) -> None:
    of_group = code.on(_group(code))
    assert (of_group.queries, of_group.workers, of_group.networks) == (code.queries, code.workers, code.networks)
    assert torch.equal(of_group.encode(_group(code)), code.encode(_group(code)))
