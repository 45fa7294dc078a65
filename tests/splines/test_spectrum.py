from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import node_set
from nercc_tune.splines import SplineSpectrum, effective_dof, smoothing_matrix
from tests.splines.reference import irregular, thinned_chebyshev

NODE_SETS = {
    "one": torch.tensor([0.3], dtype=torch.float64),
    "two": torch.tensor([-0.3, 0.9], dtype=torch.float64),
    "three": irregular(3),
    "irregular": irregular(30),
    "chebyshev 200": node_set("chebyshev", queries=2, workers=200).beta,
    "thinned to 120": thinned_chebyshev(200, 120),
    "thinned to 40": thinned_chebyshev(200, 40, seed=1),
    "thinned to 6": thinned_chebyshev(200, 6, seed=2),
    "uniform": node_set("uniform", queries=2, workers=60).beta,
    "one end lost": node_set("chebyshev", queries=2, workers=60).beta[20:],
}
SITES = node_set("chebyshev", queries=50, workers=2).alpha
SMOOTHINGS = (0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e4, 1e8, 1e12)
by_nodes = pytest.mark.parametrize("nodes", NODE_SETS.values(), ids=NODE_SETS)


@by_nodes
def test_it_is_the_smoothing_matrix_at_every_smoothing(nodes: Tensor) -> None:
    spectrum = SplineSpectrum.of(nodes, SITES)
    for smoothing in SMOOTHINGS:
        expected = smoothing_matrix(nodes, SITES, smoothing)
        # About half of the digits: one factorisation at the middle λ carries eigenvalues over twelve decades.
        worst = (spectrum.matrix(smoothing) - expected).abs().max() / expected.abs().max()
        assert float(worst) <= 1e-8, smoothing


@by_nodes
def test_the_shrinkage_sums_to_the_degrees_of_freedom(nodes: Tensor) -> None:
    smoothing = torch.tensor(SMOOTHINGS, dtype=torch.float64)
    shrinkage = SplineSpectrum.of(nodes, SITES).shrinkage(smoothing)
    assert shrinkage.shape == (len(SMOOTHINGS), len(nodes))
    torch.testing.assert_close(shrinkage.sum(-1), effective_dof(nodes, smoothing), rtol=1e-8, atol=0)


@by_nodes
def test_the_shrinkage_is_the_spectrum_of_the_smoother(nodes: Tensor) -> None:
    shrinkage = SplineSpectrum.of(nodes, SITES).shrinkage(torch.tensor([1e-7], dtype=torch.float64))[0]
    eigenvalues = torch.linalg.eigvalsh(smoothing_matrix(nodes, nodes, 1e-7)).flip(0)
    torch.testing.assert_close(shrinkage, eigenvalues, rtol=0, atol=1e-8)


@by_nodes
def test_the_basis_is_orthonormal_and_begins_with_the_straight_lines(nodes: Tensor) -> None:
    spectrum = SplineSpectrum.of(nodes, nodes)
    identity = torch.eye(len(nodes), dtype=torch.float64)
    torch.testing.assert_close(spectrum.basis.mT @ spectrum.basis, identity, rtol=0, atol=1e-12)
    torch.testing.assert_close(spectrum.sites, spectrum.basis, rtol=0, atol=1e-12)
    assert spectrum.roughness[:2].tolist() == [0.0] * min(2, len(nodes))
    assert bool((spectrum.roughness[2:] > 0).all())
    assert bool((spectrum.roughness.diff() >= 0).all())
    lines = spectrum.basis[:, :2]
    straight = 3 - 2 * nodes
    # Straight lines shrink by 1, the slowest vibration by 1e-9 less on 200 nodes: eigh separates them to eps / 1e-9.
    torch.testing.assert_close(lines @ (lines.mT @ straight), straight, rtol=0, atol=1e-7)


def test_the_slowest_vibration_is_that_of_a_free_beam() -> None:
    nodes = node_set("uniform", queries=2, workers=200).beta
    slowest = float(SplineSpectrum.of(nodes, SITES).roughness[2])
    # With n nodes evenly over the length 2 the penalty per node is (4.73 / 2)⁴ · 2 / n, up to the ends' 1 / n.
    assert slowest == pytest.approx(4.730041**4 / (200 * 2**3), rel=0.02)


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_a_batch_equals_single_calls(count: int) -> None:
    sets = torch.stack([thinned_chebyshev(60, count, seed=seed) for seed in range(3)])
    batch = SplineSpectrum.of(sets, SITES)
    smoothing = torch.tensor([0.0, 1e-6, 1e3], dtype=torch.float64)
    assert batch.matrix(1e-6).shape == (3, len(SITES), count)
    assert batch.shrinkage(smoothing).shape == (3, 3, count)
    for index, nodes in enumerate(sets):
        single = SplineSpectrum.of(nodes, SITES)
        torch.testing.assert_close(batch.shrinkage(smoothing)[index], single.shrinkage(smoothing), rtol=1e-8, atol=0)
        # Extrapolation from few nodes makes large entries; the tolerance is relative to them.
        scale = float(single.matrix(1e-6).abs().max())
        torch.testing.assert_close(batch.matrix(1e-6)[index], single.matrix(1e-6), rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "`nodes` must hold at least one node"),
        ([0.0, -1.0, 1.0], "`nodes` must ascend"),
        ([0.0, 0.5, math.nan], "must be finite"),
    ],
)
def test_what_cannot_be_meant_is_refused(nodes: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplineSpectrum.of(torch.tensor(nodes), SITES)
