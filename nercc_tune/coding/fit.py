"""What a linear decoder expects of every answer, given all others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.splines import smoothing_matrix

__all__ = ["LEAST", "Fit", "spline_fit"]

LEAST = 1e-12
"""Of a precision, in shares of what it was when no answer was left out: less is rounding."""

# Workers at one node give the same answer, which leaves no deviation to expect: so much of what a spline smooths by
# over a typical gap is expected all the same.
_LEAST_SMOOTHING = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """The decoders of masks, each with the precision Q of the answers y that arrived.

    What all other answers say of answer i differs from it by `(Q y)_i / Q_ii`, whose expected variance is `1 / Q_ii`.
    To leave answer i out takes `q_i q_iᵀ / Q_ii` off Q, and `d_i q_iᵀ / Q_ii` off the decoder D, where q_i and d_i are
    the columns of i: no factorisation is made again.

    Attributes:
        precision: [M, F, F] Q.
        decoder: [M, K, F] D, without any temperature.
        uncertainty: [M, K] the prediction variances v of kriging in shares of `variances`, 0 for splines.
        variances: [K] of the outputs, in units of 1 / Q.
        temperature: κ: estimates are divided by `√(1 + κ v)`.

    Reference:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equations 5.12 (one answer left out);
        Green and Silverman (1994), section 3.2 (of splines).
    """

    precision: Tensor
    decoder: Tensor
    uncertainty: Tensor
    variances: Tensor
    temperature: float = 0.0

    def to(self, device: torch.device) -> Fit:
        """Return the fit on a device."""
        if device == self.precision.device:
            return self
        return Fit(
            precision=self.precision.to(device),
            decoder=self.decoder.to(device),
            uncertainty=self.uncertainty.to(device),
            variances=self.variances.to(device),
            temperature=self.temperature,
        )

    def tempered(self, estimates: Tensor, uncertainty: Tensor) -> Tensor:
        """Return estimates [M, G, K, c] as the temperature leaves them, for prediction variances [M, G, K]."""
        if not self.temperature:
            return estimates
        return estimates / (1 + self.temperature * uncertainty.clamp(min=0)).sqrt()[..., None]

    @cached_property
    def columns(self) -> Tensor:
        """[M, F, F + K] of Q, which is made a little larger so that it can be factorised, and of D."""
        own = torch.diag_embed(self.precision.diagonal(dim1=-2, dim2=-1) * LEAST)
        return torch.cat([self.precision.mT + own, self.decoder.mT], -1)

    @cached_property
    def alone(self) -> Fit:
        """The fit with a decoder of no queries, for what it expects of the answers alone."""
        return Fit(
            precision=self.precision,
            decoder=self.decoder[:, :0],
            uncertainty=self.uncertainty[:, :0],
            variances=self.variances[:0],
        )


def spline_fit(alpha: Tensor, beta: Tensor, arrived: Tensor, smoothing: float) -> Fit:
    """Return the fit of a smoothing spline, whose precision is `(I − H) / λ` with its smoother H at the answers.

    It is in units of the variance of an answer between two others at the middle gap of β.

    Args:
        alpha: [K].
        beta: [N].
        arrived: [M, F] positions in β, ascending.
        smoothing: λ_dec.
    """
    gaps = beta.diff()
    gaps = gaps[gaps > 0]
    typical = float(gaps.median()) ** 3 / 12 if len(gaps) else 1.0
    nodes, least = beta[arrived], max(smoothing, _LEAST_SMOOTHING * typical)
    smoother = smoothing_matrix(nodes, nodes, least)
    eye = torch.eye(arrived.shape[-1], dtype=torch.float64)
    precision = (eye - (smoother + smoother.mT) / 2) * (typical / least)
    return Fit(
        precision=precision,
        decoder=smoothing_matrix(nodes, alpha, smoothing),
        uncertainty=torch.zeros(len(arrived), len(alpha), dtype=torch.float64),
        variances=torch.ones(len(alpha), dtype=torch.float64),
    )
