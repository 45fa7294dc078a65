from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy.interpolate import FloaterHormannInterpolator
from torch import Tensor

from nercc_tune.coding import BerrutCode, node_set
from nercc_tune.coding.berrut import berrut_matrix

EPS = torch.finfo(torch.float64).eps


def irregular(count: int, *, seed: int = 0) -> Tensor:
    return (2 * torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 1).sort().values


def exact_rows(nodes: list[float], sites: list[float], degree: int) -> Tensor:
    """Return the interpolant as it is defined, polynomials through neighbours that are blended, in 100 digits."""
    with mpmath.workdps(100):
        at = [mpmath.mpf(node) for node in nodes]
        rows = []
        for site in map(mpmath.mpf, sites):
            row, total = [mpmath.mpf(0)] * len(at), mpmath.mpf(0)
            for first in range(len(at) - degree):
                window = range(first, first + degree + 1)
                blend = (-1) ** first / mpmath.fprod(site - at[j] for j in window)
                total += blend
                for i in window:
                    row[i] += blend * mpmath.fprod((site - at[j]) / (at[i] - at[j]) for j in window if j != i)
            rows.append([float(entry / total) for entry in row])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(("count", "degree"), [(2, 1), (5, 1), (5, 3), (12, 2), (12, 11), (40, 3)])
def test_it_is_scipys_between_the_nodes(count: int, degree: int) -> None:
    nodes = irregular(count)
    sites = (0.3 * nodes[:-1] + 0.7 * nodes[1:])[:: max(1, count // 8)]
    expected = FloaterHormannInterpolator(nodes.numpy(), np.eye(count), d=degree)(sites.numpy())
    found = berrut_matrix(nodes, sites, degree=degree)
    # Both round the weights of nodes that lie close, to which SciPy's denominator is the more sensitive.
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-10 * float(found.abs().max()))


@pytest.mark.parametrize("degree", [1, 8, 20, 39])
@pytest.mark.parametrize("burst", [False, True])
def test_it_is_the_definition_to_the_last_digits_however_large_the_weights_are(degree: int, burst: bool) -> None:
    nodes = node_set("chebyshev", queries=50, workers=200)
    beta = nodes.beta[-40:] if burst else nodes.beta[::5]
    sites = nodes.alpha[3::12]
    found = berrut_matrix(beta, sites, degree=degree)
    expected = exact_rows(beta.tolist(), sites.tolist(), degree)
    # 2e-14 at worst, of logarithms whose size is up to a hundred; the barycentric denominator has no digit at 20.
    size = expected.abs().sum(-1, keepdim=True)
    torch.testing.assert_close(found / size, expected / size, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["chebyshev", "uniform", "copies-2"])
@pytest.mark.parametrize("degree", [0, 1, 2, 5])
def test_polynomials_up_to_the_degree_are_recovered_whatever_arrives(kind: str, degree: int) -> None:
    nodes = node_set(kind, queries=12, workers=40)
    code = BerrutCode(nodes, degree=degree)
    for arrived in ([*range(40)], [*range(0, 40, 2)], [*range(10, 40)], [1, 4, 9, 11, 17, 18, 30, 39]):
        rows = code.decoder_matrix(arrived)
        tolerance = 1e3 * EPS * float(rows.abs().sum(-1).max())
        for power in range(degree + 1):
            values = nodes.beta[arrived] ** power
            torch.testing.assert_close(rows @ values, nodes.alpha**power, rtol=0, atol=tolerance)
            if kind == "chebyshev":
                encoded = code.encode(nodes.alpha**power)
                torch.testing.assert_close(encoded, nodes.beta**power, rtol=0, atol=1e-12)


# With an even number of windows one degree more is recovered, not two.
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_higher_polynomials_are_not_recovered(degree: int) -> None:
    nodes = node_set("chebyshev", queries=12, workers=40)
    rows = BerrutCode(nodes, degree=degree).decoder_matrix(range(40))
    error = rows @ nodes.beta ** (degree + 2) - nodes.alpha ** (degree + 2)
    assert float(error.abs().max()) > 1e-4


def test_degree_0_is_berruts_interpolant() -> None:
    nodes, sites = irregular(30), irregular(9, seed=1)
    assert torch.equal(berrut_matrix(nodes, sites, degree=0), berrut_matrix(nodes, sites))
    signs = (berrut_matrix(nodes, sites) * (sites[:, None] - nodes)).sign()
    assert bool((signs[:, 1:] == -signs[:, :-1]).all())
    assert BerrutCode(node_set("uniform", queries=2, workers=3)).degree == 0


def test_a_site_on_a_node_gets_its_value() -> None:
    nodes = node_set("first-kind", queries=10, workers=30)
    code = BerrutCode(nodes, degree=4)
    data = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coded = code.encode(data)
    home = (nodes.beta == nodes.alpha[:, None]).nonzero()[:, 1]
    assert torch.equal(coded[home], data)
    assert torch.equal(code.decode(coded, range(30)), data)


def test_values_at_nodes_that_coincide_are_averaged() -> None:
    distinct, sites = irregular(6), irregular(5, seed=1)
    count = torch.tensor([1, 3, 1, 1, 2, 4])
    apart = berrut_matrix(distinct, sites, degree=2)
    together = berrut_matrix(distinct.repeat_interleave(count), sites, degree=2)
    torch.testing.assert_close(together, (apart / count).repeat_interleave(count, dim=1), rtol=1e-15, atol=0)


def test_masks_of_a_batch_may_have_any_number_of_nodes_that_differ() -> None:
    nodes = node_set("copies-2", queries=4, workers=10)
    code = BerrutCode(nodes, degree=3)
    batch = torch.tensor([[0, 1, 2, 3], [0, 2, 5, 9], [3, 5, 6, 8], [0, 1, 8, 9]])
    assert {len(nodes.beta[row].unique()) for row in batch} == {2, 3, 4}
    matrices = code.decoder_matrix(batch.reshape(2, 2, 4)).flatten(0, 1)
    for row, matrix in zip(batch, matrices, strict=True):
        torch.testing.assert_close(matrix, code.decoder_matrix(row), rtol=0, atol=1e-14)


def test_of_too_few_nodes_the_degree_is_what_they_allow() -> None:
    nodes, sites = irregular(4), irregular(5, seed=1)
    for degree in (4, 7, 1000):
        torch.testing.assert_close(
            berrut_matrix(nodes, sites, degree=degree), berrut_matrix(nodes, sites, degree=3), rtol=0, atol=0
        )
    assert berrut_matrix(nodes[:1], sites, degree=3).tolist() == [[1.0]] * 5
    pairs = berrut_matrix(nodes[[0, 0, 1, 1]], sites, degree=3) @ nodes[[0, 0, 1, 1]]
    torch.testing.assert_close(pairs, sites, rtol=0, atol=1e-13)


@pytest.mark.parametrize("degree", [-1, 1.0, True, "2"])
def test_what_is_no_degree_is_refused(degree: int) -> None:
    nodes = node_set("chebyshev", queries=4, workers=9)
    with pytest.raises(ValueError, match=f"`degree` must be a whole number of at least 0, but got {degree!r}"):
        BerrutCode(nodes, degree=degree)
    with pytest.raises(ValueError, match="`degree` must be a whole number of at least 0, but got"):
        berrut_matrix(nodes.beta, nodes.alpha, degree=degree)
