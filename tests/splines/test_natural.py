"""Laws of the smoothing spline that hold for every smoothing, node set and site."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import node_set
from nercc_tune.splines import effective_dof, smoothing_matrix
from tests.splines.reference import SMOOTHINGS, irregular, thinned_chebyshev, values

NODE_SETS = {
    "two": torch.tensor([-0.3, 0.9], dtype=torch.float64),
    "three": irregular(3),
    "irregular": irregular(17),
    "chebyshev": node_set("chebyshev", queries=2, workers=40).beta,
    "thinned": thinned_chebyshev(200, 60),
    "uniform": node_set("uniform", queries=2, workers=25).beta,
}
SITES = torch.linspace(-3, 3, 61, dtype=torch.float64)
by_nodes = pytest.mark.parametrize("nodes", NODE_SETS.values(), ids=NODE_SETS)
by_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS)


def _close(actual: Tensor, expected: Tensor, matrix: Tensor, *, ulps: float = 1e5) -> bool:
    """Compare up to rounding of a product with the matrix: 1e5 ulps (2e-11), as the solve loses five digits at most."""
    rounding = torch.finfo(torch.float64).eps * matrix.abs().sum(-1).max()
    return bool((actual - expected).abs().max() <= ulps * rounding * expected.abs().max().clamp(min=1))


@by_nodes
@by_smoothing
def test_rows_sum_to_one(nodes: Tensor, smoothing: float) -> None:
    matrix = smoothing_matrix(nodes, SITES, smoothing)
    assert _close(matrix.sum(-1), torch.ones(len(SITES), dtype=torch.float64), matrix)


@by_nodes
@by_smoothing
def test_straight_lines_are_recovered(nodes: Tensor, smoothing: float) -> None:
    matrix = smoothing_matrix(nodes, SITES, smoothing)
    assert _close(matrix @ (3 - 2 * nodes), 3 - 2 * SITES, matrix)


@by_nodes
def test_without_smoothing_it_interpolates(nodes: Tensor) -> None:
    identity = torch.eye(len(nodes), dtype=torch.float64)
    assert torch.equal(smoothing_matrix(nodes, nodes, 0.0), identity)
    # For λ → 0 the step away from interpolation is λ QQᵀ at most: λ over the cube of the least gap, times 48.
    least = float(nodes.diff().min())
    torch.testing.assert_close(smoothing_matrix(nodes, nodes, 1e-12 * least**3), identity, rtol=0, atol=1e-10)


@by_nodes
def test_much_smoothing_is_the_least_squares_line(nodes: Tensor) -> None:
    def design(at: Tensor) -> Tensor:
        return torch.stack([torch.ones_like(at), at], dim=-1)

    line = design(SITES) @ torch.linalg.pinv(design(nodes))
    # Of the limit, 1 / (λ d) is missing with d ≥ 0.3 (a free beam of length 2): 3e-12. The rest is rounding.
    torch.testing.assert_close(smoothing_matrix(nodes, SITES, 1e12), line, rtol=0, atol=1e-9)


@by_nodes
@by_smoothing
def test_the_smoother_is_symmetric_with_eigenvalues_up_to_one(nodes: Tensor, smoothing: float) -> None:
    smoother = smoothing_matrix(nodes, nodes, smoothing)
    torch.testing.assert_close(smoother, smoother.mT, rtol=0, atol=1e-12)
    eigenvalues = torch.linalg.eigvalsh(smoother)
    # The eigenvalues are in (0, 1]; at λ = 1e12 they reach down to 1e-20, below the rounding of a 60 × 60 solve.
    assert float(eigenvalues.min()) > -1e-9
    assert float(eigenvalues.max()) <= 1 + 1e-12
    assert int((eigenvalues > 1 - 1e-12).sum()) >= 2
    if smoothing <= 1e-4:
        assert float(eigenvalues.min()) > 0
    if smoothing >= 1e-4:
        assert int((eigenvalues > 1 - 1e-6).sum()) == 2


@by_nodes
@by_smoothing
def test_outside_the_nodes_it_is_straight(nodes: Tensor, smoothing: float) -> None:
    data = values(len(nodes))
    for outside in (nodes[0] - torch.arange(3), nodes[-1] + torch.arange(3)):
        matrix = smoothing_matrix(nodes, outside, smoothing)
        assert _close((matrix @ data).diff(n=2, dim=0), torch.zeros(1, 3, dtype=torch.float64), matrix)


@by_smoothing
def test_moving_and_scaling_the_domain_scales_the_smoothing_by_the_cube(smoothing: float) -> None:
    nodes, scale = irregular(12), 2.5
    moved = smoothing_matrix(scale * nodes + 4, scale * SITES + 4, scale**3 * smoothing)
    torch.testing.assert_close(moved, smoothing_matrix(nodes, SITES, smoothing), rtol=0, atol=1e-10)


@by_smoothing
def test_mirroring_the_nodes_mirrors_the_matrix(smoothing: float) -> None:
    nodes = irregular(12)
    mirrored = smoothing_matrix(-nodes.flip(0), -SITES.flip(0), smoothing)
    torch.testing.assert_close(mirrored.flip(0, 1), smoothing_matrix(nodes, SITES, smoothing), rtol=0, atol=1e-10)


@by_smoothing
def test_one_node_gives_a_constant_and_two_give_their_line(smoothing: float) -> None:
    one = smoothing_matrix(torch.tensor([0.25]), SITES, smoothing)
    assert torch.equal(one, torch.ones(len(SITES), 1, dtype=torch.float64))
    two = smoothing_matrix(torch.tensor([-1.0, 1.0]), torch.tensor([-2.0, 0.0, 1.0]), smoothing)
    assert two.tolist() == [[1.5, -0.5], [0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_a_batch_equals_single_calls(count: int) -> None:
    sets = torch.stack([irregular(count, seed=seed) for seed in range(4)])
    smoothing = torch.tensor([0.0, 1e-6, 10.0])
    batch = smoothing_matrix(sets, SITES, smoothing[:, None])
    assert batch.shape == (3, 4, len(SITES), count)
    own_sites = smoothing_matrix(sets, SITES.expand(4, -1) + torch.arange(4)[:, None], 1e-6)
    assert own_sites.shape == (4, len(SITES), count)
    for index, nodes in enumerate(sets):
        for at, value in enumerate(smoothing.tolist()):
            torch.testing.assert_close(batch[at, index], smoothing_matrix(nodes, SITES, value), rtol=0, atol=1e-7)
        torch.testing.assert_close(own_sites[index], smoothing_matrix(nodes, SITES + index, 1e-6), rtol=0, atol=1e-12)


def test_the_result_is_in_float64_whatever_came_in() -> None:
    halves = torch.tensor([-1.0, 0.0, 0.5, 1.0], dtype=torch.float16)
    sites = torch.tensor([-1.25, 0.25, 0.75, 3.5])
    expected = smoothing_matrix(halves.double(), sites.double(), 0.125)
    assert torch.equal(smoothing_matrix(halves, sites, torch.tensor(0.125)), expected)
    assert smoothing_matrix(halves, sites, 0).dtype == torch.float64


@by_nodes
def test_the_degrees_of_freedom_fall_from_all_to_two(nodes: Tensor) -> None:
    smoothing = torch.tensor([0.0, *torch.logspace(-14, 12, 27, dtype=torch.float64).tolist()], dtype=torch.float64)
    dof = effective_dof(nodes, smoothing)
    assert dof.shape == smoothing.shape
    assert float(dof[0]) == pytest.approx(len(nodes), abs=1e-12)
    assert float(dof[-1]) == pytest.approx(2, abs=1e-8)
    assert bool((dof.diff() <= 1e-8).all())
    for at in (0, 9, 27):
        trace = torch.trace(smoothing_matrix(nodes, nodes, float(smoothing[at])))
        assert float(dof[at]) == pytest.approx(float(trace), abs=1e-8)


def test_one_node_has_one_degree_of_freedom() -> None:
    assert effective_dof(torch.tensor([0.5]), torch.tensor([0.0, 1e6])).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("nodes", "sites", "smoothing", "message"),
    [
        ([], [0.0], 0.0, "`nodes` must hold at least one node, but got none"),
        ([0.0, -1.0], [0.0], 0.0, "`nodes` must ascend"),
        ([0.0, 1.0, 0.5], [0.0], 0.0, "`nodes` must ascend"),
        ([0.0, math.nan], [0.0], 0.0, "`nodes` and `sites` must be finite"),
        ([0.0, math.inf], [0.0], 0.0, "`nodes` and `sites` must be finite"),
        ([0.0, 1.0], [math.nan], 0.0, "`nodes` and `sites` must be finite"),
        ([0.0, 1.0], [0.0], -1e-9, r"`smoothing` must be finite and at least 0, but got -1e-09"),
        ([0.0, 1.0], [0.0], math.nan, "`smoothing` must be finite and at least 0, but got nan"),
        ([0.0, 1.0], [0.0], math.inf, "`smoothing` must be finite and at least 0, but got inf"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    nodes: list[float], sites: list[float], smoothing: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        smoothing_matrix(torch.tensor(nodes), torch.tensor(sites), smoothing)


def test_a_single_number_is_no_node_set() -> None:
    with pytest.raises(ValueError, match="`nodes` must hold at least one node"):
        smoothing_matrix(torch.tensor(0.5), SITES, 0.0)


@pytest.mark.parametrize("smoothing", [[0.0, -1.0], [math.nan, 0.0]])
def test_one_bad_smoothing_in_a_batch_is_refused(smoothing: list[float]) -> None:
    with pytest.raises(ValueError, match="`smoothing` must be finite and at least 0"):
        effective_dof(torch.tensor([0.0, 0.5, 1.0]), torch.tensor(smoothing))


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_no_node_sets_or_no_sites_give_an_empty_matrix(count: int) -> None:
    nodes = irregular(count)
    assert smoothing_matrix(nodes.expand(0, -1), SITES, 0.5).shape == (0, len(SITES), count)
    assert smoothing_matrix(nodes, SITES[:0], 0.5).shape == (0, count)


def test_a_system_that_rounding_makes_indefinite_is_refused() -> None:
    # The condition of QᵀQ is about n⁴, beyond what float64 can tell from a singular matrix.
    nodes = torch.linspace(-1, 1, 200_000, dtype=torch.float64)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        smoothing_matrix(nodes, nodes[:1], 1e12)
