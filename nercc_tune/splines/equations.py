"""The banded equations behind natural cubic smoothing splines, in time linear in nodes, sites and right-hand sides."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteTaps:
    """Four weights a site: the spline there from values g and second derivatives γ at the two nodes around it.

    `g(s) = values[0] g_left + values[1] g_left+1 + curvatures[0] γ_left + curvatures[1] γ_left+1`.

    Attributes:
        left: [..., m] the node before the site; outside the nodes that of the end gap.
        values: two of [..., m].
        curvatures: two of [..., m], zero at the nodes.

    Reference:
        Green and Silverman (1994), equations 2.22 and 2.23.
    """

    left: Tensor
    values: tuple[Tensor, Tensor]
    curvatures: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, nodes: Tensor, sites: Tensor) -> SiteTaps:
        """Find the taps of `sites` [..., m] among at least two ascending `nodes` [..., n]."""
        left = (torch.searchsorted(nodes.contiguous(), sites.contiguous(), right=True) - 1).clamp(
            0, nodes.shape[-1] - 2
        )
        start, end = nodes.gather(-1, left), nodes.gather(-1, left + 1)
        gap = end - start
        share = (sites - start) / gap
        # Inside, a cubic; outside, share is < 0 or > 1 and the end slope goes on.
        inside = -(sites - start) * (end - sites) / 6
        before, after = share < 0, share > 1
        at_left = torch.where(
            before, -(sites - start) * gap / 3, torch.where(after, (sites - end) * gap / 6, inside * (2 - share))
        )
        at_right = torch.where(
            before, -(sites - start) * gap / 6, torch.where(after, (sites - end) * gap / 3, inside * (1 + share))
        )
        return cls(left=left, values=(1 - share, share), curvatures=(at_left, at_right))

    def read(self, values: Tensor, curvatures: Tensor) -> Tensor:
        """Return the splines [r, m] at the sites [m] from g and γ at the nodes, [r, n] each."""
        at_value = self.values[0] * values[:, self.left] + self.values[1] * values[:, self.left + 1]
        at_curvature = self.curvatures[0] * curvatures[:, self.left] + self.curvatures[1] * curvatures[:, self.left + 1]
        return at_value + at_curvature


@dataclass(frozen=True, kw_only=True, eq=False)
class SplineEquations:
    """Nodes, sites and λ of a batch of splines, and the equations `(R + λ QᵀW⁻¹Q) γ = Qᵀ y`, `g = y − λ W⁻¹Q γ`.

    γ are the second derivatives at the inner nodes, W the weights of the values. Q takes three taps and R is
    tridiagonal, so that the system is symmetric positive definite with two bands below the diagonal. Data have their
    columns on the *first* axis.

    Attributes:
        nodes: [..., n] float64 on the CPU, strictly ascending.
        gaps: [..., n−1] between the nodes.
        sites: [..., m].
        smoothing: [..., n] λ W⁻¹, what each value is smoothed by.
    """

    nodes: Tensor
    gaps: Tensor
    sites: Tensor
    smoothing: Tensor

    @classmethod
    def of(
        cls, nodes: Tensor, sites: Tensor, smoothing: Tensor | float, *, weights: Tensor | None = None
    ) -> SplineEquations:
        """Check the arguments of `smoothing_matrix` and broadcast them against each other.

        Args:
            nodes: As for `smoothing_matrix`, and ascending strictly.
            sites: As for `smoothing_matrix`.
            smoothing: Likewise.
            weights: [..., n] of the values, positive; 1 by default.

        Raises:
            ValueError: If there is no node, the nodes do not ascend or are not finite, or λ is negative or not finite.
        """
        nodes = nodes.to("cpu", torch.float64)
        sites = sites.to(nodes)
        smoothing = torch.as_tensor(smoothing, dtype=torch.float64, device="cpu")
        if nodes.ndim == 0 or nodes.shape[-1] == 0:
            raise ValueError("`nodes` must hold at least one node, but got none.")
        if not bool(torch.isfinite(nodes).all() and torch.isfinite(sites).all()):
            raise ValueError("`nodes` and `sites` must be finite, but got a value that is not.")
        gaps = nodes.diff(dim=-1)
        if not bool((gaps > 0).all()):
            raise ValueError("`nodes` must ascend, but got two that do not.")
        if not bool((smoothing >= 0).all()) or not bool((smoothing < math.inf).all()):
            raise ValueError(f"`smoothing` must be finite and at least 0, but got {smoothing.tolist()}.")
        # NumPy's: torch's own imports sympy on its first call, which takes seconds.
        batch = np.broadcast_shapes(nodes.shape[:-1], sites.shape[:-1], smoothing.shape)
        return cls(
            nodes=nodes.expand(*batch, -1),
            gaps=gaps.expand(*batch, -1),
            sites=sites.expand(*batch, -1),
            smoothing=(smoothing[..., None] / (torch.ones_like(nodes) if weights is None else weights)).expand(
                *batch, -1
            ),
        )

    def taps(self) -> SiteTaps:
        """Return the taps of the sites among the nodes."""
        return SiteTaps.of(self.nodes, self.sites)

    def bend(self, values: Tensor) -> Tensor:
        """Return `Qᵀ y`, the jumps of the slope, [r, ..., n−2], for data y [r, ..., n]."""
        return (values.diff(dim=-1) / self.gaps).diff(dim=-1)

    def load(self, curvatures: Tensor) -> Tensor:
        """Return `Q γ`, [r, ..., n], for second derivatives γ [r, ..., n−2]."""
        slopes = pad(curvatures, (1, 1)).diff(dim=-1) / self.gaps
        return pad(slopes, (1, 1)).diff(dim=-1)

    def solve(self, right: Tensor) -> Tensor:
        """Return `(R + λ QᵀQ)⁻¹ right` for right-hand sides [r, ..., n−2], which may be overwritten.

        The systems of the batch are the blocks of one banded matrix: one call of LAPACK solves them all.

        Raises:
            numpy.linalg.LinAlgError: If rounding hides that the system is positive definite.
        """
        if right.numel() == 0:
            return right
        solved = solveh_banded(
            self._bands(),
            right.reshape(len(right), -1).numpy().T,
            overwrite_ab=True,
            overwrite_b=True,
            lower=True,
            check_finite=False,
        )
        return torch.from_numpy(solved.T).view(right.shape)

    def _bands(self) -> NDArray[np.float64]:
        """Return the diagonal of the system and the two bands below it, [3, …·(n−2)]; each block ends in zeros."""
        gaps, scale = self.gaps.numpy(), self.smoothing.numpy()
        before, after = gaps[..., :-1], gaps[..., 1:]
        first, last = 1 / before, 1 / after
        middle = -first - last
        left, centre, right = scale[..., :-2], scale[..., 1:-1], scale[..., 2:]
        bands = np.zeros((3, *before.shape))
        bands[0] = (before + after) / 3 + left * first**2 + centre * middle**2 + right * last**2
        products = (
            centre[..., :-1] * middle[..., :-1] * first[..., 1:] + right[..., :-1] * last[..., :-1] * middle[..., 1:]
        )
        bands[1, ..., :-1] = after[..., :-1] / 6 + products
        bands[2, ..., :-2] = right[..., :-2] * last[..., :-2] * first[..., 2:]
        return bands.reshape(3, -1)
