"""Berrut approximated coded computing (BACC), the baseline of the field, and its family of higher degrees."""

from __future__ import annotations

import torch
from torch import Tensor

from nercc_tune.coding.floater_hormann import SAME_NODE, blended_matrix
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.splines.coinciding import batches_of_distinct, ranks

__all__ = ["BerrutCode", "berrut_matrix", "check_degree"]


class BerrutCode(LinearCode):
    """Both matrices are the rational interpolant of Floater and Hormann; of degree 0, which is Berrut's, BACC.

    `r(z) = Σ_l (−1)^l w_l y_l / (z − t_l)  /  Σ_l (−1)^l w_l / (z − t_l)`, where l counts the positions among the nodes
    that are there: for the decoder, among the workers that arrived. It blends the polynomials of degree d through every
    d + 1 neighbours, and recovers polynomials of degree d; no degree has a pole. Berrut's weights w are all 1. A site
    on a node gets exactly that node's value.

    The size of the decoder's rows grows with d, and with it what noise does: at (N, K) = (200, 50) and 150 arrived on
    Chebyshev nodes, the median over masks of the largest sum of absolute values is 10 for d = 0 and 18 000 for d = 3.

    Args:
        nodes: α and β.
        degree: d of both matrices, from 0. Where no more than d nodes that differ are there, the degree is what they
            allow, one less than they are, and the interpolant their polynomial.

    Raises:
        ValueError: If the degree is negative or not a whole number.

    Reference:
        Jahani-Nezhad and Maddah-Ali, Berrut approximated coded computing, arXiv 2009.08327, equations 5 and 8;
        Berrut, Rational functions for guaranteed and experimentally well-conditioned global interpolation (1988);
        Floater and Hormann, Barycentric rational interpolation with no poles and high rates of approximation (2007),
        and for codes of a degree arXiv 2509.09435.
    """

    def __init__(self, nodes: NodeSet, *, degree: int = 0) -> None:
        super().__init__(queries=nodes.queries, workers=nodes.workers)
        check_degree(degree, least=0)
        self.nodes = nodes
        self.degree = degree

    def _build_encoder(self) -> Tensor:
        return berrut_matrix(self.nodes.alpha, self.nodes.beta, degree=self.degree)

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return berrut_matrix(self.nodes.beta[arrived], self.nodes.alpha, degree=self.degree)


def berrut_matrix(nodes: Tensor, sites: Tensor, *, degree: int = 0) -> Tensor:
    """Return the matrix [..., m, n] from values at the nodes [..., n] to the interpolant of a degree at the sites [m].

    Signs alternate over the nodes that differ, and the values at nodes that coincide are averaged. With n' nodes that
    differ the degree is at most n' − 1, of which the interpolant is their polynomial.

    Args:
        nodes: Ascending, float64.
        sites: Where the interpolant is wanted.
        degree: d, from 0, which is Berrut's interpolant.

    Raises:
        ValueError: If the degree is negative or not a whole number.
    """
    check_degree(degree, least=0)
    if degree == 0:
        return _berrut(nodes, sites)
    flat = nodes.reshape(-1, nodes.shape[-1])
    matrix = flat.new_empty(len(flat), len(sites), flat.shape[-1])
    for some in batches_of_distinct(flat):
        blended = blended_matrix(some.nodes, sites, degree=min(degree, some.nodes.shape[-1] - 1))
        matrix[some.at] = some.spread(blended / some.count[:, None, :])
    return matrix.reshape(*nodes.shape[:-1], *matrix.shape[1:])


def check_degree(degree: int, *, least: int) -> None:
    """Refuse what is no degree.

    Raises:
        ValueError: If it is not a whole number or less than the least.
    """
    if not (type(degree) is int and degree >= least):
        raise ValueError(f"`degree` must be a whole number of at least {least}, but got {degree!r}.")


def _berrut(nodes: Tensor, sites: Tensor) -> Tensor:
    """Return the matrix of degree 0, whose weights are all 1."""
    distance = sites[:, None] - nodes[..., None, :]
    rank = ranks(nodes)
    many = (rank[..., :, None] == rank[..., None, :]).sum(-1)[..., None, :]
    signs = (1.0 - 2.0 * (rank % 2))[..., None, :]
    hit = distance.abs() <= SAME_NODE
    weights = signs / (many * distance.masked_fill(hit, 1.0))
    rational = weights / weights.sum(-1, keepdim=True)
    return torch.where(hit.any(-1, keepdim=True), hit.to(nodes.dtype) / many, rational)
