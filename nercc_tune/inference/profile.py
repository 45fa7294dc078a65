"""The MSE of every λ_dec at once, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nercc_tune.coding import NodeSet
from nercc_tune.inference.metrics import Truth
from nercc_tune.splines import SplineSpectrum

_REFINEMENTS = 3
_POINTS = 9
_DIGITS = 3


class DecoderProfile:
    """MSE as a function of λ_dec for fixed masks, exact for all λ ≥ 0 after one eigendecomposition a mask.

    With the decoder `Φ diag(s) Vᵀ`, `s = 1 / (1 + λ d)`, the squared error over all groups and outputs is
    `sᵀ [(ΦᵀΦ) ∘ (VᵀGV)] s − 2 sᵀ diag(ΦᵀCV) + e` with the Gram matrices `G = Σ Y Yᵀ`, `C = Σ T Yᵀ`, `e = Σ ‖T‖²` of
    the answers Y and the true outputs T. The Gram matrices are summed once over groups and outputs, so a λ costs a
    quadratic form, whatever the number of groups and outputs. The decompositions do not depend on the answers: one
    profile serves every λ_enc.
    """

    def __init__(self, nodes: NodeSet, arrived: Tensor) -> None:
        self._arrived = arrived
        self._spectrum = SplineSpectrum.of(nodes.beta[arrived], nodes.alpha)
        self._site_gram = self._spectrum.sites.mT @ self._spectrum.sites

    def mse(self, logits: Tensor, truth: Truth, smoothing: Tensor) -> Tensor:
        """Return the MSE [M, L] of each mask at each λ of `smoothing` [L], for answers [G, N, c]."""
        return self._evaluate(self._quadratic(logits, truth), smoothing)

    def best(self, logits: Tensor, truth: Truth, grid: Sequence[float]) -> tuple[float, tuple[float, ...]]:
        """Minimise the MSE, averaged over masks, in λ_dec.

        Args:
            logits: [G, N, c] the workers' answers.
            truth: The uncoded outputs.
            grid: λ values, ascending from 0; between neighbours of the best one the minimum is refined.

        Returns:
            The best λ_dec to three digits (0 where nothing beats it), and the mean MSE at each λ of the grid.
        """
        quadratic = self._quadratic(logits, truth)

        def mean_mse(smoothing: Tensor) -> Tensor:
            return self._evaluate(quadratic, smoothing).mean(0)

        coarse = torch.tensor(grid, dtype=torch.float64)
        profile = mean_mse(coarse)
        best = int(profile.argmin())
        positive = coarse[1:].log10()
        low, high = (float(positive[min(max(at, 0), len(positive) - 1)]) for at in (best - 2, best))
        for _ in range(_REFINEMENTS):
            fine = torch.linspace(low, high, _POINTS, dtype=torch.float64)
            at = int(mean_mse(10**fine).argmin())
            low, high = float(fine[max(at - 1, 0)]), float(fine[min(at + 1, _POINTS - 1)])
        points = torch.linspace(low, high, _POINTS, dtype=torch.float64)
        rounded = (_rounded(10.0 ** float(point)) for point in points)
        candidates = [0.0, *(min(max(smoothing, grid[1]), grid[-1]) for smoothing in rounded)]
        values = mean_mse(torch.tensor(candidates, dtype=torch.float64))
        return candidates[int(values.argmin())], tuple(profile.tolist())

    def decoders(self, smoothing: float) -> Tensor:
        """Return the decoder matrices [M, K, F] of all masks at one λ_dec."""
        return self._spectrum.matrix(smoothing)

    def df(self, smoothing: float) -> float:
        """Return the decoder's effective degrees of freedom at one λ_dec, averaged over the masks."""
        return float(self._spectrum.shrinkage(torch.tensor([smoothing], dtype=torch.float64)).sum(-1).mean())

    def _quadratic(self, logits: Tensor, truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
        """Return the form [M, F, F], the linear term [M, F] and the constant, each over G·K queries."""
        answers = truth.answers(logits).to(torch.float64).transpose(0, 1).flatten(1)
        outputs = truth.outputs.to(torch.float64).transpose(0, 1).flatten(1)
        queries = truth.labels.numel()
        gram = (answers @ answers.mT) / queries
        cross = (outputs @ answers.mT) / queries
        arrived, basis = self._arrived, self._spectrum.basis
        form = self._site_gram * (basis.mT @ gram[arrived[:, :, None], arrived[:, None, :]] @ basis)
        linear = (self._spectrum.sites * (cross[:, arrived].transpose(0, 1) @ basis)).sum(1)
        return form, linear, outputs.square().sum() / queries

    def _evaluate(self, quadratic: tuple[Tensor, Tensor, Tensor], smoothing: Tensor) -> Tensor:
        form, linear, constant = quadratic
        shrinkage = self._spectrum.shrinkage(smoothing)
        return ((shrinkage @ form) * shrinkage).sum(-1) - 2 * (shrinkage @ linear[..., None])[..., 0] + constant


def _rounded(smoothing: float) -> float:
    return float(f"{smoothing:.{_DIGITS - 1}e}")
