"""The natural cubic smoothing spline as a matrix, for every λ ≥ 0 and any batch of node sets."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def smoothing_matrix(nodes: Tensor, sites: Tensor, smoothing: Tensor | float) -> Tensor:
    """Return the matrix that takes values at the nodes to the smoothing spline's values at the sites.

    The spline is the minimiser g of `Σ (y − g(t))² + λ ∫ g''²` over the nodes t: 0 interpolates, λ → ∞ is the
    least-squares straight line. It is natural: outside the nodes it goes on as a straight line. One node gives the
    constant through it, two nodes give the line through them, whatever λ.

    With the second derivatives γ at the inner nodes, `(R + λ QᵀQ) γ = Qᵀ y` and `g = y − λ Q γ`. The system is
    symmetric positive definite and banded; its Cholesky factor keeps full accuracy for λ from 0 to 1e12.

    Args:
        nodes: [..., n], strictly ascending, n ≥ 1.
        sites: [..., m] or [m].
        smoothing: λ, broadcast against the leading axes of the nodes, for many λ at once as [L, 1…] against [M, n].

    Returns:
        [..., m, n] float64 on the device of the nodes.

    Raises:
        ValueError: If there is no node, the nodes do not ascend or are not finite, or λ is negative or not finite.

    Example:
        >>> nodes = torch.tensor([0.0, 1.0, 2.0])
        >>> smoothing_matrix(nodes, torch.tensor([3.0]), 1e9).round(decimals=4)
        tensor([[-0.6667,  0.3333,  1.3333]], dtype=torch.float64)

    Reference:
        Green and Silverman, Nonparametric Regression and Generalized Linear Models (1994), sections 2.1.2 and 2.3.
    """
    nodes, sites, smoothing = _checked(nodes, sites, smoothing)
    if nodes.shape[-1] == 1:
        return torch.ones(*nodes.shape[:-1], sites.shape[-1], 1, dtype=torch.float64, device=nodes.device)
    values, curvatures = _evaluation(nodes, sites)
    if nodes.shape[-1] == 2:
        return values
    second_differences, penalty = _bands(nodes)
    scale = smoothing[..., None, None]
    system = penalty + scale * second_differences.mT @ second_differences
    weights = curvatures[..., 1:-1] - scale * values @ second_differences
    solved = torch.cholesky_solve(weights.mT, torch.linalg.cholesky(system))
    return values + (second_differences @ solved).mT


def effective_dof(nodes: Tensor, smoothing: Tensor | float) -> Tensor:
    """Return the effective degrees of freedom of the smoother, its trace: n for λ = 0, 2 for λ → ∞.

    Args:
        nodes: [..., n], strictly ascending.
        smoothing: λ, broadcast as for `smoothing_matrix`.

    Returns:
        [...] float64.

    Raises:
        ValueError: As for `smoothing_matrix`.

    Reference:
        Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), section 5.4.1.
    """
    return torch.diagonal(smoothing_matrix(nodes, nodes, smoothing), dim1=-2, dim2=-1).sum(-1)


def _checked(nodes: Tensor, sites: Tensor, smoothing: Tensor | float) -> tuple[Tensor, Tensor, Tensor]:
    nodes = nodes.to(torch.float64)
    sites = sites.to(nodes)
    smoothing = torch.as_tensor(smoothing, dtype=torch.float64, device=nodes.device)
    if not nodes.shape[-1:].numel() >= 1 or nodes.ndim == 0 or nodes.shape[-1] == 0:
        raise ValueError("`nodes` must hold at least one node, but got none.")
    if not bool(torch.isfinite(nodes).all() and torch.isfinite(sites).all()):
        raise ValueError("`nodes` and `sites` must be finite, but got a value that is not.")
    if not bool((nodes.diff(dim=-1) > 0).all()):
        raise ValueError("`nodes` must ascend strictly, but got two that do not.")
    if not bool((smoothing >= 0).all()) or not bool((smoothing < math.inf).all()):
        raise ValueError(f"`smoothing` must be finite and at least 0, but got {smoothing.tolist()}.")
    # NumPy's: torch's own imports sympy on its first call, which takes seconds.
    batch = np.broadcast_shapes(nodes.shape[:-1], sites.shape[:-1], smoothing.shape)
    return nodes.expand(*batch, -1), sites.expand(*batch, -1), smoothing.expand(batch)


def _bands(nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Return Q [..., n, n−2] and R [..., n−2, n−2]: `Qᵀ g = R γ` for every natural cubic spline."""
    gaps = nodes.diff(dim=-1)
    before, after = gaps[..., :-1], gaps[..., 1:]
    n = nodes.shape[-1]
    inner = torch.arange(n - 2, device=nodes.device)
    second_differences = nodes.new_zeros(*nodes.shape[:-1], n, n - 2)
    second_differences[..., inner, inner] = 1 / before
    second_differences[..., inner + 1, inner] = -1 / before - 1 / after
    second_differences[..., inner + 2, inner] = 1 / after
    penalty = torch.diag_embed((before + after) / 3)
    off = torch.diag_embed(after[..., :-1] / 6, offset=1)
    return second_differences, penalty + off + off.mT


def _evaluation(nodes: Tensor, sites: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrices [..., m, n] that take values and second derivatives at the nodes to values at the sites."""
    n = nodes.shape[-1]
    left = (torch.searchsorted(nodes.contiguous(), sites.contiguous(), right=True) - 1).clamp(0, n - 2)
    start, end = nodes.gather(-1, left), nodes.gather(-1, left + 1)
    gap = end - start
    share = (sites - start) / gap
    # Inside, the cubic of Green and Silverman (2.22); outside, share is < 0 or > 1 and the end slope goes on.
    inside = -(sites - start) * (end - sites) / 6
    before, after = share < 0, share > 1
    at_left = torch.where(
        before, -(sites - start) * gap / 3, torch.where(after, (sites - end) * gap / 6, inside * (2 - share))
    )
    at_right = torch.where(
        before, -(sites - start) * gap / 6, torch.where(after, (sites - end) * gap / 3, inside * (1 + share))
    )
    values = nodes.new_zeros(*sites.shape, n)
    values.scatter_(-1, left[..., None], (1 - share)[..., None])
    values.scatter_(-1, left[..., None] + 1, share[..., None])
    curvatures = nodes.new_zeros(*sites.shape, n)
    curvatures.scatter_(-1, left[..., None], at_left[..., None])
    curvatures.scatter_(-1, left[..., None] + 1, at_right[..., None])
    return values, curvatures
