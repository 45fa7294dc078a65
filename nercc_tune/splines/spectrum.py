"""The Demmler–Reinsch form of the smoothing spline: one factorisation of a node set serves every λ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.splines.natural import smoothing_matrix

# Eigenvalues of the roughness penalty on n nodes over a length L range from that of the slowest vibration of a free
# beam, 4.73⁴ n⁻¹ L⁻³, to about 48 over the cube of the least gap. The smoother at the inverse of their geometric mean
# has all its eigenvalues well inside (0, 1), so that every one of them keeps about nine digits.
_SLOWEST = 500.6
_FASTEST = 48.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SplineSpectrum:
    """Smoothing splines on one or many node sets, diagonal in λ: `matrix(λ) = sites · diag(1 / (1 + λ d)) · basisᵀ`.

    `smoothing_matrix` is exact to rounding and costs a factorisation for each λ; the spectrum costs one
    eigendecomposition for all of them and agrees within about 1e-8.

    Attributes:
        basis: [..., n, n] orthonormal columns, functions of the nodes, from straight lines to the roughest.
        roughness: [..., n] d ≥ 0, ascending; the first two are 0 (the straight lines).
        sites: [..., m, n] the basis continued to the sites as natural splines.

    Reference:
        Demmler and Reinsch, Oscillation matrices with spline smoothing, Numer. Math. 24 (1975).
    """

    basis: Tensor
    roughness: Tensor
    sites: Tensor

    @classmethod
    def of(cls, nodes: Tensor, sites: Tensor) -> SplineSpectrum:
        """Decompose the splines on `nodes` [..., n] read at `sites` [m].

        Raises:
            ValueError: As for `smoothing_matrix`.
        """
        nodes = nodes.to(torch.float64)
        interpolant = smoothing_matrix(nodes, sites, 0.0)
        n = nodes.shape[-1]
        if n <= 2:
            basis = torch.eye(n, dtype=torch.float64, device=nodes.device).expand(*nodes.shape, n)
            return cls(basis=basis, roughness=torch.zeros_like(nodes), sites=interpolant)
        length = nodes[..., -1] - nodes[..., 0]
        least = nodes.diff(dim=-1).amin(-1)
        middle = (n * (length * least) ** 3 / (_SLOWEST * _FASTEST)).sqrt()
        smoother = smoothing_matrix(nodes, nodes, middle)
        # The straight lines, which no λ shrinks, get the eigenvalue 2: at 1 they would mix with the slowest vibration.
        lines = torch.linalg.qr(torch.stack([torch.ones_like(nodes), nodes], dim=-1)).Q
        shrinkage, basis = torch.linalg.eigh((smoother + smoother.mT) / 2 + lines @ lines.mT)
        shrinkage, basis = shrinkage.flip(-1), basis.flip(-1)
        roughness = (1 / shrinkage - 1).clamp(min=0) / middle[..., None]
        roughness[..., :2] = 0
        return cls(basis=basis, roughness=roughness, sites=interpolant @ basis)

    def shrinkage(self, smoothing: Tensor) -> Tensor:
        """Return the smoother's eigenvalues `1 / (1 + λ d)`, [..., L, n], for each λ of `smoothing` [L]."""
        return 1 / (1 + smoothing.to(self.roughness)[:, None] * self.roughness[..., None, :])

    def matrix(self, smoothing: float) -> Tensor:
        """Return the smoothing matrix [..., m, n] at one λ."""
        return (self.sites / (1 + smoothing * self.roughness[..., None, :])) @ self.basis.mT
