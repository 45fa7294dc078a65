"""The smoothing spline against SciPy where SciPy is right, and against 50 digits everywhere."""

from __future__ import annotations

import pytest
import torch
from scipy.interpolate import CubicSpline, make_smoothing_spline

from nercc_tune.coding import node_set
from nercc_tune.splines import smoothing_matrix
from tests.splines.reference import SMOOTHINGS, exact_matrix, irregular, thinned_chebyshev, values


# SciPy solves in B-spline coordinates, whose condition grows with λ times the fourth power of the ratio of the gaps
# (128 here): at λ = 1 it keeps six digits, at 1e4 about two and a half, and beyond 1e8 none (SciPy PR 25862). The
# pentadiagonal form keeps them all, as the 50-digit reference shows below.
@pytest.mark.parametrize(
    ("smoothing", "tolerance"),
    [(0.0, 1e-12), (1e-12, 1e-12), (1e-9, 1e-12), (1e-6, 1e-10), (1e-4, 1e-8), (1.0, 5e-6), (1e4, 5e-3)],
)
def test_inside_the_nodes_it_is_scipys(smoothing: float, tolerance: float) -> None:
    nodes = node_set("chebyshev", queries=2, workers=200).beta
    sites = torch.linspace(-1, 1, 301, dtype=torch.float64)
    data = values(200)
    expected = torch.from_numpy(make_smoothing_spline(nodes.numpy(), data.numpy(), lam=smoothing)(sites.numpy()))
    worst = (smoothing_matrix(nodes, sites, smoothing) @ data - expected).abs().max() / expected.abs().max()
    assert float(worst) <= tolerance


# Rounding of a product of up to 14 terms for small λ; for large λ the condition of `QᵀQ`, the fourth power of the
# ratio of length to gap, costs up to four digits more.
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("count", [3, 4, 7, 12])
def test_inside_and_outside_it_agrees_with_50_digits(count: int, smoothing: float) -> None:
    nodes = irregular(count, seed=count)
    sites = torch.cat([torch.linspace(-3, 3, 17, dtype=torch.float64), nodes[[0, 1, -1]]])
    expected = exact_matrix(nodes.tolist(), sites.tolist(), smoothing)
    worst = (smoothing_matrix(nodes, sites, smoothing) - expected).abs().max() / expected.abs().max()
    assert float(worst) <= (1e-14 if smoothing < 1e-6 else 5e-12)


@pytest.mark.parametrize("smoothing", [0.0, 1e-12, 1e-6, 1e-2])
def test_stragglers_at_the_edges_agree_with_50_digits(smoothing: float) -> None:
    nodes = node_set("chebyshev", queries=2, workers=20).beta[5:16]
    sites = node_set("chebyshev", queries=9, workers=2).alpha
    expected = exact_matrix(nodes.tolist(), sites.tolist(), smoothing)
    worst = (smoothing_matrix(nodes, sites, smoothing) - expected).abs().max() / expected.abs().max()
    assert float(worst) <= 1e-13


@pytest.mark.parametrize("smoothing", [0.0, 1e-9, 1e-4, 1.0])
@pytest.mark.parametrize("count", [3, 5, 40])
def test_it_goes_on_along_the_end_tangents_of_scipys_natural_spline(count: int, smoothing: float) -> None:
    nodes = thinned_chebyshev(200, count, seed=count)
    fitted = smoothing_matrix(nodes, nodes, smoothing) @ values(count)
    natural = CubicSpline(nodes.numpy(), fitted.numpy(), bc_type="natural")
    for end, steps in ((nodes[0], -torch.arange(1, 5)), (nodes[-1], torch.arange(1, 5))):
        value, slope = (torch.from_numpy(natural(end.numpy(), order)) for order in (0, 1))
        expected = value + steps[:, None] * slope
        sites = end + steps.to(torch.float64)
        found = smoothing_matrix(nodes, sites, smoothing) @ values(count)
        # The end slope divides by the end gap, of 1e-4 at worst: four digits of sixteen, and some for the solves.
        assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())
