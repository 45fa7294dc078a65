"""The Demmler–Reinsch form of the smoothing spline: one factorisation of a node set serves every λ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.splines.coinciding import batches_of_distinct, coincide
from nercc_tune.splines.natural import smoothing_matrix, weighted_smoothing_matrix

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
        basis: [..., n, k] orthonormal columns, functions of the nodes, from straight lines to the roughest; one for
            each distinct node. Where node sets of the batch have different numbers of those, k is the largest, and the
            columns that others lack are 0.
        roughness: [..., k] d ≥ 0, ascending; the first two are 0 (the straight lines), and NaN is a column that lacks.
        sites: [..., m, k] the basis continued to the sites as natural splines.

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
        if not coincide(nodes):
            return cls._strict(nodes, sites, torch.ones_like(nodes))
        batch, n = nodes.shape[:-1], nodes.shape[-1]
        each = nodes.reshape(-1, n)
        at_each = sites.expand(*batch, sites.shape[-1]).reshape(len(each), -1)
        parts = [(part, cls._strict(part.nodes, at_each[part.at], part.count)) for part in batches_of_distinct(each)]
        most = max(part.nodes.shape[-1] for part, _ in parts)
        basis, roughness = nodes.new_zeros(len(each), n, most), nodes.new_full((len(each), most), torch.nan)
        at_sites = nodes.new_zeros(len(each), sites.shape[-1], most)
        for part, own in parts:
            width = part.nodes.shape[-1]
            # A value's share of the weighted mean: of the mean 1 / m, of its weight √m.
            shared = (own.basis / part.count.sqrt()[..., None]).mT
            basis[part.at, :, :width] = part.spread(shared).mT
            roughness[part.at, :width], at_sites[part.at, :, :width] = own.roughness, own.sites
        return cls(
            basis=basis.reshape(*batch, n, most),
            roughness=roughness.reshape(*batch, most),
            sites=at_sites.reshape(*batch, -1, most),
        )

    @classmethod
    def _strict(cls, nodes: Tensor, sites: Tensor, weights: Tensor) -> SplineSpectrum:
        """Decompose splines on nodes that ascend strictly, for values times the roots of their weights [..., n]."""
        interpolant = smoothing_matrix(nodes, sites, 0.0)
        n = nodes.shape[-1]
        root = weights.sqrt()
        if n <= 2:
            basis = torch.eye(n, dtype=torch.float64, device=nodes.device).expand(*nodes.shape, n)
            return cls(basis=basis, roughness=torch.zeros_like(nodes), sites=interpolant / root[..., None, :])
        length = nodes[..., -1] - nodes[..., 0]
        least = nodes.diff(dim=-1).amin(-1)
        middle = (n * (length * least) ** 3 / (_SLOWEST * _FASTEST)).sqrt()
        smoother = weighted_smoothing_matrix(nodes, nodes, middle, weights)
        smoother = root[..., :, None] * smoother / root[..., None, :]
        # The straight lines, which no λ shrinks, get the eigenvalue 2: at 1 they would mix with the slowest vibration.
        lines = torch.linalg.qr(root[..., None] * torch.stack([torch.ones_like(nodes), nodes], dim=-1)).Q
        shrinkage, basis = torch.linalg.eigh((smoother + smoother.mT) / 2 + lines @ lines.mT)
        shrinkage, basis = shrinkage.flip(-1), basis.flip(-1)
        roughness = (1 / shrinkage - 1).clamp(min=0) / middle[..., None]
        roughness[..., :2] = 0
        return cls(basis=basis, roughness=roughness, sites=(interpolant / root[..., None, :]) @ basis)

    def shrinkage(self, smoothing: Tensor) -> Tensor:
        """Return the smoother's eigenvalues `1 / (1 + λ d)`, [..., L, n], for each λ of `smoothing` [L]."""
        return (1 / (1 + smoothing.to(self.roughness)[:, None] * self.roughness[..., None, :])).nan_to_num(nan=0.0)

    def matrix(self, smoothing: float) -> Tensor:
        """Return the smoothing matrix [..., m, n] at one λ."""
        at = torch.tensor([smoothing], dtype=torch.float64)
        return (self.sites * self.shrinkage(at)) @ self.basis.mT
