"""Splines on nodes that coincide: as if each were there once, with the weight of all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import make_smoothing_spline
from torch import Tensor

from nercc_tune.splines import SplineSpectrum, effective_dof, smooth, smoothing_matrix
from tests.splines.reference import irregular, values

COUNTS = torch.tensor([3, 1, 2, 1, 4, 1, 2])
DISTINCT = irregular(len(COUNTS))
NODES = DISTINCT.repeat_interleave(COUNTS)
RANK = torch.arange(len(COUNTS)).repeat_interleave(COUNTS)
SITES = torch.linspace(-1.2, 1.2, 15, dtype=torch.float64)
INSIDE = SITES[(DISTINCT[0] <= SITES) & (DISTINCT[-1] >= SITES)]
DATA = values(len(NODES), columns=1)[:, 0]
SMOOTHINGS = (0.0, 1e-6, 1e-3, 0.1, 10.0)
by_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS)


def _means(data: Tensor) -> Tensor:
    return torch.zeros(len(COUNTS), dtype=torch.float64).index_add_(0, RANK, data) / COUNTS


@by_smoothing
def test_it_is_scipys_weighted_spline_through_the_means(smoothing: float) -> None:
    weights = COUNTS.double().numpy()
    expected = make_smoothing_spline(DISTINCT.numpy(), _means(DATA).numpy(), w=weights, lam=smoothing)
    found = smoothing_matrix(NODES, INSIDE, smoothing) @ DATA
    np.testing.assert_allclose(found.numpy(), expected(INSIDE.numpy()), rtol=0, atol=1e-11)


@by_smoothing
def test_smoothing_data_is_the_matrix_applied(smoothing: float) -> None:
    expected = smoothing_matrix(NODES, SITES, smoothing) @ DATA
    torch.testing.assert_close(smooth(NODES, DATA, SITES, smoothing), expected, rtol=0, atol=1e-11)


@by_smoothing
def test_the_spectrum_is_the_matrix(smoothing: float) -> None:
    spectrum = SplineSpectrum.of(NODES, SITES)
    torch.testing.assert_close(spectrum.matrix(smoothing), smoothing_matrix(NODES, SITES, smoothing), rtol=0, atol=1e-9)
    at = torch.tensor([smoothing], dtype=torch.float64)
    torch.testing.assert_close(spectrum.shrinkage(at).sum(-1)[0], effective_dof(NODES, smoothing), rtol=1e-8, atol=0)


def test_interpolation_passes_on_the_mean_at_each_node() -> None:
    found = smoothing_matrix(NODES, DISTINCT, 0.0) @ DATA
    torch.testing.assert_close(found, _means(DATA), rtol=0, atol=1e-12)


@by_smoothing
def test_straight_lines_are_recovered(smoothing: float) -> None:
    line = 3 * NODES - 1
    torch.testing.assert_close(smoothing_matrix(NODES, SITES, smoothing) @ line, 3 * SITES - 1, rtol=0, atol=1e-9)


def test_copies_that_all_agree_are_one_value_with_their_weight() -> None:
    """λ for c copies of every node is c λ for one of each."""
    twice = DISTINCT.repeat_interleave(2)
    found = smoothing_matrix(twice, SITES, 2e-3).unflatten(-1, (-1, 2)).sum(-1)
    torch.testing.assert_close(found, smoothing_matrix(DISTINCT, SITES, 1e-3), rtol=0, atol=1e-12)


def test_a_batch_may_hold_node_sets_with_other_numbers_of_distinct_nodes() -> None:
    apart = irregular(len(NODES), seed=3)
    ends = torch.cat([NODES[:1], NODES[:-1]])
    batch = torch.stack([NODES, apart, ends])
    spectrum = SplineSpectrum.of(batch, SITES)
    for smoothing in (0.0, 1e-3):
        matrices = smoothing_matrix(batch, SITES, smoothing)
        for at, nodes in enumerate(batch):
            torch.testing.assert_close(matrices[at], smoothing_matrix(nodes, SITES, smoothing), rtol=0, atol=1e-12)
        torch.testing.assert_close(spectrum.matrix(smoothing), matrices, rtol=0, atol=1e-9)
    shrinkage = spectrum.shrinkage(torch.tensor([0.0], dtype=torch.float64))[:, 0].sum(-1)
    assert shrinkage.tolist() == [7.0, 14.0, float(len(ends.unique()))]


def test_one_node_with_many_values_gives_their_mean() -> None:
    at_one = torch.zeros(3, dtype=torch.float64)
    thirds = torch.full((len(SITES), 3), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(smoothing_matrix(at_one, SITES, 1.0), thirds)
    assert smooth(at_one, torch.tensor([1.0, 2.0, 6.0]), SITES, 1.0).tolist() == pytest.approx([3.0] * len(SITES))
