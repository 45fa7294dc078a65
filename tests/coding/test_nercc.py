from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import NODES, NerccCode, node_set
from nercc_tune.splines import effective_dof, smoothing_matrix

PAIRS = [(0.0, 0.0), (1e-8, 1e-5), (1e-3, 1.0), (1e6, 1e12)]
ARRIVALS = {
    "all": list(range(40)),
    "even": list(range(0, 40, 2)),
    "left end lost": list(range(20, 40)),
    "right end lost": list(range(25)),
    "the middle lost": [0, 1, 2, 37, 38, 39],
    "two neighbours": [38, 39],
}
by_pair = pytest.mark.parametrize(("lambda_enc", "lambda_dec"), PAIRS)


@by_pair
@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize("arrived", ARRIVALS.values(), ids=ARRIVALS)
def test_straight_lines_in_the_nodes_are_recovered_whatever_arrives(
    kind: str, arrived: list[int], lambda_enc: float, lambda_dec: float
) -> None:
    nodes = node_set(kind, queries=12, workers=40)
    code = NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec)
    line = torch.stack([2 - 3 * nodes.alpha, 0.5 + nodes.alpha], dim=-1)
    coded = code.encode(line)
    torch.testing.assert_close(coded[:, 1], 0.5 + nodes.beta, rtol=0, atol=1e-10)
    estimates = code.decode(coded[arrived], arrived)
    # Rounding of the answers is magnified by the size of the decoder's rows, thousands for two neighbours.
    scale = float(code.decoder_matrix(arrived).abs().sum(-1).max())
    torch.testing.assert_close(estimates, line, rtol=0, atol=1e-10 * scale)


@by_pair
def test_the_matrices_are_splines_from_queries_to_workers_and_back(lambda_enc: float, lambda_dec: float) -> None:
    nodes = node_set("chebyshev", queries=12, workers=40)
    code = NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec)
    arrived = torch.arange(1, 40, 3)
    assert torch.equal(code.encoder_matrix, smoothing_matrix(nodes.alpha, nodes.beta, lambda_enc))
    decoder = smoothing_matrix(nodes.beta[arrived], nodes.alpha, lambda_dec)
    assert torch.equal(code.decoder_matrix(arrived), decoder)


@pytest.mark.parametrize(("queries", "workers"), [(5, 9), (10, 13), (50, 201)])
def test_without_smoothing_a_worker_on_a_query_gets_an_exact_copy(queries: int, workers: int) -> None:
    nodes = node_set("chebyshev", queries=queries, workers=workers)
    code = NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0)
    identity = torch.eye(queries, dtype=torch.float64)
    everyone = code.decoder_matrix(range(workers))
    pairs = (nodes.alpha[:, None] == nodes.beta).nonzero().tolist()
    assert pairs
    for query, worker in pairs:
        torch.testing.assert_close(code.encoder_matrix[worker], identity[query], rtol=0, atol=1e-13)
        own = torch.eye(workers, dtype=torch.float64)[worker]
        torch.testing.assert_close(everyone[query], own, rtol=0, atol=1e-13)


def test_degrees_of_freedom_are_the_traces_of_both_smoothers() -> None:
    nodes = node_set("chebyshev", queries=12, workers=40)
    code = NerccCode(nodes, lambda_enc=1e-5, lambda_dec=1e-4)
    assert code.df_enc == pytest.approx(float(torch.trace(smoothing_matrix(nodes.alpha, nodes.alpha, 1e-5))))
    arrived = torch.stack([torch.arange(30), torch.arange(10, 40), torch.arange(5, 35)])
    expected = float(effective_dof(nodes.beta[arrived], 1e-4).mean())
    single = [code.df_dec(row) for row in arrived]
    assert code.df_dec(arrived) == pytest.approx(expected) == pytest.approx(sum(single) / 3)


def test_degrees_of_freedom_fall_from_interpolation_to_a_line() -> None:
    nodes = node_set("uniform", queries=12, workers=40)
    arrived = torch.arange(0, 40, 2)
    codes = [NerccCode(nodes, lambda_enc=value, lambda_dec=value) for value in (0.0, 1e-6, 1e-3, 1.0, 1e12)]
    for found, full in (([code.df_enc for code in codes], 12), ([code.df_dec(arrived) for code in codes], 20)):
        assert found == sorted(found, reverse=True)
        assert found[0] == pytest.approx(full)
        assert found[-1] == pytest.approx(2, abs=1e-8)


@pytest.mark.parametrize("smoothing", [-1e-12, math.nan, math.inf])
def test_smoothing_that_is_negative_or_not_finite_is_refused(smoothing: float) -> None:
    nodes = node_set("uniform", queries=3, workers=5)
    for name, other in (("lambda_enc", "lambda_dec"), ("lambda_dec", "lambda_enc")):
        settings = {name: smoothing, other: 0.0}
        with pytest.raises(ValueError, match=f"`{name}` must be finite and at least 0, but got {smoothing}"):
            NerccCode(nodes, **settings)


def test_a_smoothed_decoder_averages_noise_away() -> None:
    nodes = node_set("chebyshev", queries=50, workers=200)
    truth = torch.sin(3 * nodes.alpha)
    noise = torch.randn(200, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def error(lambda_dec: float) -> Tensor:
        code = NerccCode(nodes, lambda_enc=0.0, lambda_dec=lambda_dec)
        answers = code.encode(truth)[:, None] + 0.1 * noise
        return (code.decode(answers, range(200)) - truth[:, None]).square().mean()

    assert 4 * error(1e-3) < error(0.0)
