"""Berrut approximated coded computing (BACC), the baseline of the field."""

from __future__ import annotations

import torch
from torch import Tensor

from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.splines.coinciding import ranks

# Two nodes closer than this are one: a few units in the last place of a number in [-1, 1].
_SAME_NODE = 8 * torch.finfo(torch.float64).eps


class BerrutCode(LinearCode):
    """Both matrices are Berrut's rational interpolant, whose signs alternate over the nodes at hand.

    `r(z) = Σ_l (−1)^l y_l / (z − t_l)  /  Σ_l (−1)^l / (z − t_l)`, where l counts the positions among the nodes that
    are there: for the decoder, among the workers that arrived. A site on a node gets exactly that node's value.

    Reference:
        Jahani-Nezhad and Maddah-Ali, Berrut approximated coded computing, arXiv 2009.08327, equations 5 and 8;
        Berrut, Rational functions for guaranteed and experimentally well-conditioned global interpolation (1988).
    """

    def __init__(self, nodes: NodeSet) -> None:
        super().__init__(queries=nodes.queries, workers=nodes.workers)
        self.nodes = nodes

    def _build_encoder(self) -> Tensor:
        return berrut_matrix(self.nodes.alpha, self.nodes.beta)

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return berrut_matrix(self.nodes.beta[arrived], self.nodes.alpha)


def berrut_matrix(nodes: Tensor, sites: Tensor) -> Tensor:
    """Return the matrix [..., m, n] from values at the nodes [..., n] to Berrut's interpolant at the sites [m].

    Signs alternate over the nodes that differ, and the values at nodes that coincide are averaged.
    """
    distance = sites[:, None] - nodes[..., None, :]
    rank = ranks(nodes)
    many = (rank[..., :, None] == rank[..., None, :]).sum(-1)[..., None, :]
    signs = (1.0 - 2.0 * (rank % 2))[..., None, :]
    hit = distance.abs() <= _SAME_NODE
    weights = signs / (many * distance.masked_fill(hit, 1.0))
    rational = weights / weights.sum(-1, keepdim=True)
    return torch.where(hit.any(-1, keepdim=True), hit.to(nodes.dtype) / many, rational)
