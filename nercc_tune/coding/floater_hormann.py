"""Rational interpolants without poles that blend the polynomials through neighbouring nodes."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SAME_NODE", "blended_matrix"]

SAME_NODE = 8 * torch.finfo(torch.float64).eps
"""Two points closer than this are one: a few units in the last place of a number in [-1, 1]."""


def blended_matrix(nodes: Tensor, sites: Tensor, *, degree: int) -> Tensor:
    """Return the matrices [b, m, n] from values at nodes [b, n] to Floater and Hormann's interpolant at the sites [m].

    `r(z) = Σ_k λ_k(z) p_k(z) / Σ_k λ_k(z)`, where `p_k` is the polynomial of degree d through the nodes k … k + d, and
    `λ_k(z) = (−1)^k Π_{j = k … k + d} 1 / (z − t_j)`. So the weight of node i is
    `(−1)^(i + d) w_i / (z − t_i) / Σ_k λ_k(z)` with `w_i = Σ_k Π_{j = k … k + d, j ≠ i} 1 / |t_i − t_j|`.

    The barycentric denominator `Σ_i (−1)^(i + d) w_i / (z − t_i)` is the same in exact arithmetic, but not in ours:
    near the ends of Chebyshev nodes w is so large that for d = 20 no digit of the sum is left in the middle.

    Args:
        nodes: Ascending strictly, float64.
        sites: Where the interpolant is wanted; on a node it is that node's value.
        degree: d, from 0 to n − 1, which gives the polynomial through all nodes.

    Reference:
        Floater and Hormann, Barycentric rational interpolation with no poles and high rates of approximation (2007);
        Fuda, Campagna and Hormann, On the numerical stability of linear barycentric rational interpolation (2022), of
        which this is the first form.
    """
    distance = sites[:, None] - nodes[:, None, :]
    hit = distance.abs() <= SAME_NODE
    distance = distance.masked_fill(hit, 1.0)
    logs, sign = distance.abs().log(), distance.sign()
    alternating = 1.0 - 2.0 * (torch.arange(nodes.shape[-1], device=nodes.device) % 2)
    # Of each window the product of its distances, in logarithms: a hundred of them leave the range of float64.
    log_products = logs.unfold(-1, degree + 1, 1).sum(-1)
    signs = alternating[: log_products.shape[-1]] * sign.unfold(-1, degree + 1, 1).prod(-1)
    largest = (-log_products).amax(-1, keepdim=True)
    denominator = (signs * (-log_products - largest).exp()).sum(-1, keepdim=True)
    entries = (_log_weights(nodes, degree)[:, None, :] - logs - largest).exp()
    rational = (-1.0) ** degree * alternating * sign * entries / denominator
    return torch.where(hit.any(-1, keepdim=True), hit.to(nodes.dtype) / hit.sum(-1, keepdim=True), rational)


def _log_weights(nodes: Tensor, degree: int) -> Tensor:
    """Return `log w` [b, n].

    A window with p of its nodes on the left of i has d − p on the right, so all its products are running ones.
    """
    outside = nodes.new_full((len(nodes), degree), float("inf"))
    around = torch.cat([-outside, nodes, outside], dim=-1).unfold(-1, 2 * degree + 1, 1)
    logs = (around - nodes[..., None]).abs().log()
    none = torch.zeros_like(nodes)[..., None]
    left = torch.cat([none, logs[..., :degree].flip(-1).cumsum(-1)], dim=-1)
    right = torch.cat([none, logs[..., degree + 1 :].cumsum(-1)], dim=-1)
    return (-(left + right.flip(-1))).logsumexp(-1)
