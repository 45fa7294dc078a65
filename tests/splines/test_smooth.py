"""The smoothing spline of data equals the product with its matrix, and needs no matrix."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from nercc_tune.coding import node_set
from nercc_tune.splines import smooth, smoothing_matrix
from tests.splines.reference import SMOOTHINGS, exact_matrix, irregular, thinned_chebyshev, values

SITES = torch.linspace(-3, 3, 61, dtype=torch.float64)
by_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS)


# The two differ by rounding: the matrix solves for the sites, the operator for the data. For large λ the condition of
# `QᵀQ` costs up to eight digits on 300 thinned nodes; a 60-digit solve finds both equally far from the truth.
@by_smoothing
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 11, 40, 300])
@pytest.mark.parametrize("kind", ["irregular", "chebyshev", "thinned"])
def test_it_is_the_product_with_the_matrix(kind: str, count: int, smoothing: float) -> None:
    nodes = {
        "irregular": irregular(count, seed=count),
        "chebyshev": node_set("chebyshev", queries=2, workers=max(count, 2)).beta[:count],
        "thinned": thinned_chebyshev(500, count, seed=count),
    }[kind]
    sites = torch.cat([SITES, nodes])
    matrix, data = smoothing_matrix(nodes, sites, smoothing), values(count)
    worst = (smooth(nodes, data, sites, smoothing) - matrix @ data).abs().max() / (
        matrix.abs().max() * data.abs().max()
    )
    large = 1e-9 if count <= 40 else 1e-7
    assert float(worst) <= (1e-12 if count <= 11 or smoothing <= 1e-9 else large)


@by_smoothing
@pytest.mark.parametrize("count", [3, 4, 12])
def test_inside_and_outside_it_agrees_with_50_digits(count: int, smoothing: float) -> None:
    nodes, data = irregular(count, seed=count), values(count)
    expected = exact_matrix(nodes.tolist(), SITES.tolist(), smoothing) @ data
    worst = (smooth(nodes, data, SITES, smoothing) - expected).abs().max() / expected.abs().max()
    assert float(worst) <= (1e-14 if smoothing < 1e-6 else 5e-12)


@by_smoothing
def test_straight_lines_are_recovered(smoothing: float) -> None:
    nodes = thinned_chebyshev(200, 60)
    torch.testing.assert_close(smooth(nodes, 3 - 2 * nodes, SITES, smoothing), 3 - 2 * SITES, rtol=0, atol=1e-9)


def test_without_smoothing_it_interpolates() -> None:
    nodes = thinned_chebyshev(200, 60)
    assert torch.equal(smooth(nodes, values(60), nodes, 0.0), values(60))


@by_smoothing
def test_outside_the_nodes_it_is_straight(smoothing: float) -> None:
    nodes = irregular(17)
    for outside in (nodes[0] - torch.arange(5), nodes[-1] + torch.arange(5)):
        read = smooth(nodes, values(17), outside, smoothing)
        assert float(read.diff(n=2, dim=0).abs().max()) <= 1e-12 * float(read.abs().max())


@pytest.mark.parametrize("smoothing", [0.0, 1e-9, 1e-4, 1.0])
def test_it_goes_on_along_the_end_tangents_of_scipys_natural_spline(smoothing: float) -> None:
    nodes = irregular(9)
    natural = CubicSpline(nodes.numpy(), smooth(nodes, values(9), nodes, smoothing).numpy(), bc_type="natural")
    for end, steps in ((nodes[0], -torch.arange(1, 5)), (nodes[-1], torch.arange(1, 5))):
        value, slope = (torch.from_numpy(natural(end.numpy(), order)) for order in (0, 1))
        found = smooth(nodes, values(9), end + steps, smoothing)
        torch.testing.assert_close(found, value + steps[:, None] * slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("count", [1, 2, 3, 20])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_outputs_keep_their_shape_and_dtype(count: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    nodes = irregular(count)
    data = values(count, columns=math.prod(shape)).reshape(count, *shape).to(dtype)
    kept = data.clone()
    read = smooth(nodes, data, SITES, 1e-3)
    assert read.dtype == dtype
    assert read.shape == (len(SITES), *shape)
    expected = torch.einsum("mn,n...->m...", smoothing_matrix(nodes, SITES, 1e-3), data.double())
    torch.testing.assert_close(read, expected.to(dtype))
    assert torch.equal(data, kept)
    assert smooth(nodes, data, SITES[:0], 1e-3).shape == (0, *shape)


def test_transposed_values_are_read_and_kept() -> None:
    nodes, data = irregular(20), values(20).mT.contiguous()
    kept = data.clone()
    torch.testing.assert_close(smooth(nodes, data.mT, SITES, 1e-3), smooth(nodes, kept.mT.contiguous(), SITES, 1e-3))
    assert torch.equal(data, kept)


@pytest.mark.parametrize(
    ("nodes", "sites", "smoothing", "message"),
    [
        ([], [0.0], 0.0, "`nodes` must hold at least one node, but got none"),
        ([0.0, -1.0], [0.0], 0.0, "`nodes` must ascend"),
        ([0.0, math.nan], [0.0], 0.0, "`nodes` and `sites` must be finite"),
        ([0.0, 1.0], [math.inf], 0.0, "`nodes` and `sites` must be finite"),
        ([0.0, 1.0], [0.0], -1e-9, r"`smoothing` must be finite and at least 0, but got -1e-09"),
        ([0.0, 1.0], [0.0], math.nan, "`smoothing` must be finite and at least 0, but got nan"),
        ([0.0, 1.0], [0.0], math.inf, "`smoothing` must be finite and at least 0, but got inf"),
        ([[0.0, 1.0]], [0.0], 0.0, r"`nodes` and `sites` must have one axis, but got shapes \[1, 2\] and \[1\]"),
        ([0.0, 1.0], [[0.0]], 0.0, r"`nodes` and `sites` must have one axis, but got shapes \[2\] and \[1, 1\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    nodes: list[float], sites: list[float], smoothing: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        smooth(torch.tensor(nodes), values(len(nodes)), torch.tensor(sites), smoothing)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (values(3), r"`values` must be 2 of floating point, .* but got torch.float64 of shape \[3, 3\]"),
        (torch.tensor(1.0), r"`values` must be 2 of floating point, .* but got torch.float32 of shape \[\]"),
        (torch.tensor([1, 2]), r"`values` must be 2 of floating point, .* but got torch.int64 of shape \[2\]"),
    ],
)
def test_values_that_are_not_one_for_each_node_are_refused(data: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smooth(torch.tensor([0.0, 1.0]), data, SITES, 0.0)
