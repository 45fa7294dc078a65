from __future__ import annotations

import math

import pytest
import torch
from scipy.fft import dct
from torch import Tensor

from nercc_tune.coding import NODES, BerrutCode, NodeSet, node_set

COLLIDING = [(5, 9), (10, 13), (50, 201)]


def berrut_rows(nodes: list[float], sites: list[float]) -> Tensor:
    """Return Berrut's interpolant by its formula: `Σ (−1)^l y_l / (z − t_l)  /  Σ (−1)^l / (z − t_l)`."""
    rows = []
    for site in sites:
        if site in nodes:
            rows.append([1.0 if node == site else 0.0 for node in nodes])
            continue
        terms = [(-1) ** position / (site - node) for position, node in enumerate(nodes)]
        rows.append([term / math.fsum(terms) for term in terms])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize(("queries", "workers"), [(1, 1), (2, 3), (7, 20), *COLLIDING])
def test_the_encoder_is_the_formula(kind: str, queries: int, workers: int) -> None:
    nodes = node_set(kind, queries=queries, workers=workers)
    expected = berrut_rows(nodes.alpha.tolist(), nodes.beta.tolist())
    torch.testing.assert_close(BerrutCode(nodes).encoder_matrix, expected, rtol=1e-12, atol=1e-13)


# Gaps of one, two and three workers: with the workers' own numbers for the signs, neighbours would share a sign.
@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize(("queries", "workers"), [(7, 20), (5, 9), (10, 13)])
@pytest.mark.parametrize("lost", [[], [0], [3], [2, 3], [0, 1, 2, 6], [1, 4, 8]])
def test_the_decoder_is_the_formula_over_the_workers_that_arrived(
    kind: str, queries: int, workers: int, lost: list[int]
) -> None:
    nodes = node_set(kind, queries=queries, workers=workers)
    arrived = [worker for worker in range(workers) if worker not in lost]
    expected = berrut_rows([float(nodes.beta[worker]) for worker in arrived], nodes.alpha.tolist())
    decoder = BerrutCode(nodes).decoder_matrix(arrived)
    torch.testing.assert_close(decoder, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("lost", [[3], [5, 6], [2, 3, 4], [0, 7]])
def test_signs_alternate_over_the_position_among_the_arrived(lost: list[int]) -> None:
    nodes = node_set("chebyshev", queries=7, workers=20)
    arrived = torch.tensor([worker for worker in range(20) if worker not in lost])
    decoder = BerrutCode(nodes).decoder_matrix(arrived)
    signs = (decoder * (nodes.alpha[:, None] - nodes.beta[arrived])).sign()
    assert bool((signs[:, 1:] == -signs[:, :-1]).all())


def test_a_smooth_function_is_estimated_well_whoever_is_lost() -> None:
    nodes = node_set("chebyshev", queries=50, workers=200)
    code = BerrutCode(nodes)
    coded = code.encode(torch.sin(3 * nodes.alpha))
    for seed in range(10):
        arrived = torch.randperm(200, generator=torch.Generator().manual_seed(seed))[:120].sort().values
        error = (code.decode(coded[arrived], arrived) - torch.sin(3 * nodes.alpha)).square().mean()
        # The worst of 500 masks at S = 80 is 4e-4; with the workers' own numbers for the signs it is 1e6.
        assert float(error) < 1e-3


@pytest.mark.parametrize(("queries", "workers"), COLLIDING)
def test_a_worker_on_a_query_gets_an_exact_copy_and_gives_it_back(queries: int, workers: int) -> None:
    nodes = node_set("chebyshev", queries=queries, workers=workers)
    code = BerrutCode(nodes)
    data = torch.randn(queries, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coded = code.encode(data)
    estimates = code.decode(coded, range(workers))
    pairs = (nodes.alpha[:, None] == nodes.beta).nonzero().tolist()
    assert pairs
    assert bool(coded.isfinite().all())
    for query, worker in pairs:
        assert torch.equal(coded[worker], data[query])
        assert torch.equal(estimates[query], data[query])


def test_nodes_that_differ_by_rounding_alone_count_as_one() -> None:
    near = torch.nextafter(torch.tensor(0.5, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))
    alpha = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    nodes = NodeSet(alpha=alpha, beta=torch.stack([-near, 0 * near, near]))
    assert BerrutCode(nodes).encoder_matrix[[0, 2]].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    apart = NodeSet(alpha=alpha, beta=torch.tensor([-0.5 - 1e-9, 0.0, 0.5], dtype=torch.float64))
    first = BerrutCode(apart).encoder_matrix[0]
    assert first.tolist() == pytest.approx([1 + 1e-9, -1e-9], rel=1e-6)


# Berrut's numerators at the workers are a polynomial of degree K − 1 in β, sampled where a DCT is orthogonal.
@pytest.mark.parametrize(("queries", "workers"), [(1, 2), (5, 12), (7, 20), (10, 30)])
def test_coded_queries_on_points_of_the_first_kind_are_words_of_a_dct_code(queries: int, workers: int) -> None:
    nodes = node_set("first-kind", queries=queries, workers=workers)
    data = torch.randn(queries, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    others = (nodes.beta[:, None] - nodes.alpha)[:, None, :].masked_fill(torch.eye(queries, dtype=torch.bool), 1.0)
    signs = torch.tensor([(-1.0) ** query for query in range(queries)], dtype=torch.float64)
    denominators = others.prod(-1) @ signs
    spectrum = dct((denominators[:, None] * BerrutCode(nodes).encode(data)).numpy(), axis=0, norm="ortho")
    assert abs(spectrum[:queries]).max() > 1e3 * abs(spectrum[queries:]).max()
    assert abs(spectrum[queries:]).max() < 1e-13 * abs(denominators).max() * workers
