from __future__ import annotations

import math

import pytest
import torch

from nercc_tune.coding import BerrutCode, NerccCode, RationalCode, node_set
from nercc_tune.coding.berrut import berrut_matrix
from nercc_tune.splines import smoothing_matrix

NODES = node_set("uniform", queries=4, workers=17)
ARRIVED = torch.tensor([[0, 1, 2, 4, 5, 7, 9, 11, 14, 16], [1, 3, 4, 6, 8, 9, 10, 12, 13, 15]])


def _code(degree: int, lambda_enc: float = 1e-4) -> RationalCode:
    return RationalCode(NODES, lambda_enc=lambda_enc, degree=degree)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_queries_are_mixed_as_nercc_does_and_answers_read_as_berrut_does(degree: int) -> None:
    code = _code(degree)
    assert torch.equal(code.encoder_matrix, NerccCode(NODES, lambda_enc=1e-4, lambda_dec=0.0).encoder_matrix)
    assert torch.equal(code.encoder_matrix, smoothing_matrix(NODES.alpha, NODES.beta, 1e-4))
    assert torch.equal(code.decoder_matrix(ARRIVED), BerrutCode(NODES, degree=degree).decoder_matrix(ARRIVED))
    for arrived, matrix in zip(ARRIVED, code.decoder_matrix(ARRIVED), strict=True):
        assert torch.equal(matrix, berrut_matrix(NODES.beta[arrived], NODES.alpha, degree=degree))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_polynomials_of_the_degree_are_read_exactly(degree: int) -> None:
    """Berrut's interpolant of degree 0 reads constants only, and each degree d what has degree d."""
    powers = torch.arange(degree + 1)
    found = _code(degree).decoder_matrix(ARRIVED) @ NODES.beta[ARRIVED][..., None] ** powers
    torch.testing.assert_close(found, (NODES.alpha[:, None] ** powers).expand_as(found), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_model_that_is_a_straight_line_gives_back_straight_lines(degree: int) -> None:
    """For queries on a line no spline bends, whatever λ_enc, and no degree from 1 bends the answers."""
    queries = torch.stack([NODES.alpha, 3 - 2 * NODES.alpha], 1)
    code = _code(degree, lambda_enc=7.0)
    torch.testing.assert_close(code.decode(code.encode(queries)[ARRIVED[0]], ARRIVED[0]), queries, rtol=1e-9, atol=1e-9)


def test_it_is_set_alike_for_every_number_of_answers() -> None:
    code = _code(1)
    assert code.set_for(3) is code.set_for(17) is code


@pytest.mark.parametrize("lambda_enc", [-1.0, math.inf, math.nan])
def test_a_smoothing_that_cannot_be_is_refused(lambda_enc: float) -> None:
    with pytest.raises(ValueError, match=r"^`lambda_enc` must be finite and at least 0, but got"):
        _code(0, lambda_enc)


@pytest.mark.parametrize("degree", [-1, 1.5, True])
def test_a_degree_that_cannot_be_is_refused(degree: int) -> None:
    with pytest.raises(ValueError, match=r"^`degree` must be a whole number of at least 0, but got"):
        _code(degree)
