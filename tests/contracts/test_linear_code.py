"""What every linear code keeps, whatever its matrices are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import LinearCode, NonFiniteAnswers
from tests.contracts.codes import arrivals, codes

_CODES = codes()
_EPS = torch.finfo(torch.float64).eps
# Both matrices lose a few digits in a solve or a quotient, in proportion to the size of their entries.
_ULPS = 1e4
_FORMED_IN = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
}


@pytest.fixture(params=list(_CODES.values()), ids=list(_CODES))
def code(request: pytest.FixtureRequest) -> LinearCode:
    assert isinstance(request.param, LinearCode)
    return request.param


def _random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(dtype)


def _rounding(matrix: Tensor) -> float:
    return _ULPS * _EPS * max(1.0, float(matrix.abs().sum(-1).max()))


class TestEncoder:
    def test_it_is_a_matrix_of_workers_by_queries(self, code: LinearCode) -> None:
        assert code.encoder_matrix.shape == (code.workers, code.queries)
        assert code.encoder_matrix.dtype == torch.float64
        assert bool(code.encoder_matrix.isfinite().all())

    def test_rows_sum_to_one_unless_the_worker_is_idle(self, code: LinearCode) -> None:
        is_idle = (code.encoder_matrix == 0).all(-1)
        working = getattr(code, "working", code.workers)
        assert is_idle.tolist() == [worker >= working for worker in range(code.workers)]
        rows = code.encoder_matrix[~is_idle]
        torch.testing.assert_close(rows.sum(-1), torch.ones(len(rows)).double(), rtol=0, atol=_rounding(rows))

    def test_it_mixes_along_any_axis(self, code: LinearCode) -> None:
        queries = _random(code.queries, 3, 2)
        expected = torch.einsum("nk,kab->nab", code.encoder_matrix, queries)
        for dim in (0, 1, 2, -1, -3):
            coded = code.encode(queries.movedim(0, dim), dim=dim)
            tolerance = 10 * _rounding(code.encoder_matrix)
            torch.testing.assert_close(coded, expected.movedim(0, dim), rtol=0, atol=tolerance)

    def test_single_numbers_and_empty_batches_are_data_too(self, code: LinearCode) -> None:
        assert code.encode(_random(code.queries)).shape == (code.workers,)
        assert code.encode(_random(0, code.queries, 3), dim=1).shape == (0, code.workers, 3)

    def test_it_keeps_the_type_and_rounds_once(self, code: LinearCode) -> None:
        for dtype, formed_in in _FORMED_IN.items():
            queries = _random(code.queries, 3, dtype=dtype)
            coded = code.encode(queries)
            assert coded.dtype == dtype
            assert torch.equal(coded, (code.encoder_matrix.to(formed_in) @ queries.to(formed_in)).to(dtype))

    def test_another_number_of_queries_is_refused(self, code: LinearCode) -> None:
        for queries, dim in ((_random(code.queries + 1, 2), 0), (_random(code.queries, 1), 1)):
            got = queries.shape[dim]
            with pytest.raises(ValueError, match=f"must hold {code.queries} queries along axis {dim}, but got {got}"):
                code.encode(queries, dim=dim)

    def test_whole_numbers_are_refused(self, code: LinearCode) -> None:
        with pytest.raises(ValueError, match=r"the data must be floating point, but got torch.uint8"):
            code.encode(torch.zeros(code.queries, 3, dtype=torch.uint8))


class TestDecoder:
    def test_it_is_a_matrix_of_queries_by_answers(self, code: LinearCode) -> None:
        for arrived in arrivals(code):
            matrix = code.decoder_matrix(arrived)
            assert matrix.shape == (code.queries, len(arrived))
            assert matrix.dtype == torch.float64
            assert bool(matrix.isfinite().all())

    def test_constants_are_recovered_whatever_arrives(self, code: LinearCode) -> None:
        answers = code.encode(torch.full((code.queries, 2), 5.0, dtype=torch.float64))
        for arrived in arrivals(code):
            tolerance = 5 * _rounding(code.decoder_matrix(arrived)) * _rounding(code.encoder_matrix) / (_ULPS * _EPS)
            estimates = code.decode(answers[arrived], arrived)
            torch.testing.assert_close(estimates, torch.full_like(estimates, 5.0), rtol=0, atol=tolerance)

    def test_affine_maps_go_through(self, code: LinearCode) -> None:
        coded, weight, bias = code.encode(_random(code.queries, 4)), _random(4, 3), 10 * _random(3)
        for arrived in arrivals(code):
            mapped = code.decode(coded[arrived] @ weight + bias, arrived)
            expected = code.decode(coded[arrived], arrived) @ weight + bias
            scale = 50 * float(coded.abs().max().clamp(min=1))
            tolerance = scale * _rounding(code.decoder_matrix(arrived))
            torch.testing.assert_close(mapped, expected, rtol=0, atol=tolerance)

    def test_numbers_a_mask_and_lists_name_the_same_workers(self, code: LinearCode) -> None:
        for arrived in arrivals(code):
            mask = torch.zeros(code.workers, dtype=torch.bool)
            mask[arrived] = True
            expected = code.decoder_matrix(arrived)
            for form in (mask, mask.tolist(), arrived.tolist(), arrived.to(torch.int32)):
                assert torch.equal(code.decoder_matrix(form), expected)

    def test_answers_may_come_in_any_order(self, code: LinearCode) -> None:
        for arrived in arrivals(code):
            answers = _random(len(arrived), 3)
            order = torch.randperm(len(arrived), generator=torch.Generator().manual_seed(2))
            assert torch.equal(code.decoder_matrix(arrived[order]), code.decoder_matrix(arrived)[:, order])
            expected = code.decode(answers, arrived)
            tolerance = 10 * _rounding(code.decoder_matrix(arrived))
            torch.testing.assert_close(code.decode(answers[order], arrived[order]), expected, rtol=0, atol=tolerance)

    def test_a_batch_equals_single_matrices(self, code: LinearCode) -> None:
        generator = torch.Generator().manual_seed(3)
        rows = [torch.randperm(code.workers, generator=generator)[: code.workers - 2] for _ in range(6)]
        batch = torch.stack(rows).reshape(2, 3, -1)
        matrices = code.decoder_matrix(batch)
        assert matrices.shape == (2, 3, code.queries, code.workers - 2)
        for row, matrix in zip(rows, matrices.flatten(0, 1), strict=True):
            single = code.decoder_matrix(row)
            torch.testing.assert_close(matrix, single, rtol=0, atol=_rounding(single))

    def test_it_mixes_along_any_axis(self, code: LinearCode) -> None:
        arrived = arrivals(code)[1]
        answers = _random(len(arrived), 3, 2)
        expected = torch.einsum("kf,fab->kab", code.decoder_matrix(arrived), answers)
        tolerance = 10 * _rounding(code.decoder_matrix(arrived))
        for dim in (0, 1, 2, -1):
            estimates = code.decode(answers.movedim(0, dim), arrived, dim=dim)
            torch.testing.assert_close(estimates, expected.movedim(0, dim), rtol=0, atol=tolerance)

    def test_it_keeps_the_type_and_rounds_once(self, code: LinearCode) -> None:
        arrived = torch.arange(code.workers)
        for dtype, formed_in in _FORMED_IN.items():
            answers = _random(code.workers, 3, dtype=dtype)
            expected = (code.decoder_matrix(arrived).to(formed_in) @ answers.to(formed_in)).to(dtype)
            estimates = code.decode(answers, arrived)
            assert estimates.dtype == dtype
            assert torch.equal(estimates, expected)

    def test_arrays_give_arrays(self, code: LinearCode) -> None:
        queries, answers = _random(code.queries, 3), _random(code.workers, 3)
        coded, arrived = code.encode(queries.numpy()), np.arange(code.workers)
        assert isinstance(coded, np.ndarray)
        np.testing.assert_array_equal(coded, code.encode(queries).numpy())
        estimates = code.decode(answers.numpy(), arrived)
        np.testing.assert_array_equal(estimates, code.decode(answers, range(code.workers)).numpy())
        swapped = answers.numpy().astype(">f8")
        np.testing.assert_array_equal(code.decode(swapped, arrived), estimates)
        np.testing.assert_allclose(code.decode(answers.numpy().T, arrived, dim=1).T, estimates, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_an_answer_that_is_not_finite_has_not_arrived(self, code: LinearCode, bad: float) -> None:
        answers = _random(code.workers, 3)
        spoilt = answers.clone()
        spoilt[1, 2] = bad
        rest = [worker for worker in range(code.workers) if worker != 1]
        expected = code.decode(answers[rest], rest)
        with pytest.warns(NonFiniteAnswers, match="the answers of workers 1 hold a NaN or an infinity"):
            found = code.decode(spoilt, range(code.workers))
        assert torch.equal(found, expected)
        # Nothing is warned of where the suspects are asked for, whichever order and axis the answers come in.
        backwards = list(range(code.workers))[::-1]
        found, suspects = code.decode(spoilt.flip(0).T, backwards, dim=1, return_suspects=True)
        torch.testing.assert_close(found.T, expected, rtol=1e-12, atol=1e-12)
        assert suspects == (1,)
        assert code.decode(answers, range(code.workers), return_suspects=True)[1] == ()

    def test_nothing_can_be_read_off_answers_of_which_none_is_finite(self, code: LinearCode) -> None:
        with pytest.raises(ValueError, match="`answers` must hold a finite answer, but all 2 have a NaN or infinity"):
            code.decode(torch.full((2, 3), math.nan), [0, 1])

    def test_what_is_no_array_is_refused(self, code: LinearCode) -> None:
        with pytest.raises(TypeError, match="`queries` must be a torch tensor or a NumPy array, but got list"):
            code.encode([1.0] * code.queries)  # type: ignore[type-var]  # as a caller may
        with pytest.raises(ValueError, match="`answers` must be an array of floating point numbers, but got object"):
            code.decode(np.full((1, 1), "a", dtype=object), [0])

    def test_another_number_of_answers_is_refused(self, code: LinearCode) -> None:
        message = f"must hold one answer for each of the {code.workers - 1} arrived workers along axis 0, but got 2"
        with pytest.raises(ValueError, match=message):
            code.decode(_random(2, 3), range(1, code.workers))

    def test_whole_numbers_are_refused(self, code: LinearCode) -> None:
        with pytest.raises(ValueError, match=r"the data must be floating point, but got torch.int64"):
            code.decode(torch.zeros(code.workers, 3, dtype=torch.int64), range(code.workers))

    def test_workers_that_there_are_not_are_refused(self, code: LinearCode) -> None:
        cases: list[tuple[list[int] | list[bool] | Tensor, str]] = [
            ([], "`arrived` must name at least one worker, but got none"),
            (torch.tensor(1), "`arrived` must name at least one worker, but got none"),
            ([False] * code.workers, "`arrived` must name at least one worker, but got none"),
            ([0, code.workers], f"`arrived` must hold worker numbers from 0 to {code.workers - 1}"),
            ([-1, 0], f"`arrived` must hold worker numbers from 0 to {code.workers - 1}"),
            ([1, 0, 1], r"`arrived` must name each worker once, but got \[1, 0, 1\]"),
            (torch.tensor([[0, 1], [1, 1]]), "`arrived` must name each worker once"),
            ([True] * (code.workers - 1), f"`arrived` must be a mask of {code.workers} workers"),
            (["0", "1"], r"`arrived` must hold whole numbers or booleans, but got \['0', '1'\]"),  # type: ignore[list-item]
            (torch.tensor([0.0, 1.0]), r"`arrived` must hold whole numbers or booleans, but got torch.float32"),
        ]
        for arrived, message in cases:
            with pytest.raises(ValueError, match=message):
                code.decoder_matrix(arrived)
