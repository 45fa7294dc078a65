"""Answers left out of decoders, other ones for every mask and group."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding.fit import Fit

__all__ = ["Block", "Elimination", "inverse"]

_LEAST = 1e-12  # of a precision, in shares of what it was: less is rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """What fits say of r of their answers, and what they estimate with all of them.

    Attributes:
        precision: [M, G, r, r] of these answers.
        decoder: [M, G, K, r] their columns.
        told: [M, G, r, c] their part of `Q y`.
        estimates: [M, G, K, c] with all answers, without any temperature.
        uncertainty: [M, G, K] of these.
    """

    precision: Tensor
    decoder: Tensor
    told: Tensor
    estimates: Tensor
    uncertainty: Tensor


class Elimination:
    """What is left of fits as answers are left out.

    Args:
        fit: Of M masks.
        answers: [M, G, F, c] float64, finite.

    Attributes:
        left_out: [M, G, F] bool.
    """

    def __init__(self, fit: Fit, answers: Tensor) -> None:
        self._count, self._fit = answers.shape[2], fit
        # The rows of Q and D are dealt with alike: [M, F + K, F].
        rows = torch.cat([fit.precision, fit.decoder], 1)
        self._columns = rows.mT.contiguous()
        self._state = rows[:, None] @ answers
        self._diagonal = fit.precision.diagonal(dim1=-2, dim2=-1)[:, None].repeat(1, answers.shape[1], 1)
        self._least = self._diagonal * _LEAST
        self._uncertainty = fit.uncertainty[:, None].repeat(1, answers.shape[1], 1)
        self._taken: list[Tensor] = []
        self.left_out = torch.zeros_like(self._diagonal, dtype=torch.bool)

    @property
    def estimates(self) -> Tensor:
        """[M, G, K, c] what the decoders make of the answers that are left."""
        return self._fit.tempered(self._state[:, :, self._count :], self._uncertainty)

    @property
    def deviations(self) -> Tensor:
        """[M, G, F] squared distances of answers from what those left say of them, in units of what is expected.

        Those left out have −1; those of which nobody else says anything 0.
        """
        squares = self._state[:, :, : self._count].square().sum(-1)
        told = torch.where(self._diagonal > self._least, squares / self._diagonal, 0.0)
        return torch.where(self.left_out, -1.0, told)

    def leave_out(self, which: Tensor, *, where: Tensor | None = None) -> None:
        """Leave some more answers out.

        Args:
            which: [M, G, m] of the F, each once, of those that are left.
            where: [M, G, m] bool, which of these; all by default.
        """
        columns, pivot = self._of(which)
        told = self._told(which)
        if where is not None:
            columns, told = columns * where[..., None], told * where[..., None]
            pivot = pivot * (where[..., None] & where[..., None, :]) + torch.diag_embed((~where).to(pivot))
        ridge = torch.diag_embed(self._least.gather(-1, which).clamp(min=torch.finfo(pivot.dtype).tiny))
        lower = torch.linalg.cholesky(pivot + ridge)
        steps = torch.linalg.solve_triangular(lower, columns, upper=False)
        self._state -= steps.mT @ torch.linalg.solve_triangular(lower, told, upper=False)
        self._diagonal -= steps[..., : self._count].square().sum(2)
        self._uncertainty += steps[..., self._count :].square().sum(2) / self._fit.variances
        self._taken.append(steps)
        gone = self.left_out.gather(-1, which) | (True if where is None else where)
        self.left_out.scatter_(-1, which, gone)

    def leave_out_all(self, which: Tensor) -> None:
        """Leave all answers out that `which` [M, G, F] names."""
        most = int(which.sum(-1).max())
        if most:
            first = which.to(torch.int8).argsort(dim=-1, descending=True, stable=True)[..., :most]
            self.leave_out(first, where=which.gather(-1, first))

    def block(self, which: Tensor) -> Block:
        """Return what is said of some answers that are left, [M, G, r] of the F."""
        columns, precision = self._of(which)
        return Block(
            precision=(precision + precision.mT) / 2,
            decoder=columns[..., self._count :].mT,
            told=self._told(which),
            estimates=self._state[:, :, self._count :],
            uncertainty=self._uncertainty,
        )

    def _of(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return the columns of answers, [M, G, m, F + K], and these answers' rows of them, [M, G, m, m]."""
        index = which.flatten(1)[..., None].expand(-1, -1, self._columns.shape[-1])
        columns = self._columns.gather(1, index).unflatten(1, which.shape[1:])
        for taken in self._taken:
            own = taken.gather(-1, which[:, :, None].expand(-1, -1, taken.shape[2], -1))
            columns = columns - own.mT @ taken
        return columns, columns.gather(-1, which[:, :, None].expand(-1, -1, which.shape[-1], -1))

    def _told(self, which: Tensor) -> Tensor:
        return self._state.gather(2, which[..., None].expand(-1, -1, -1, self._state.shape[-1]))


def inverse(precision: Tensor) -> Tensor:
    """Return the covariance [..., r, r] of a precision, whose rounding may have left nothing of an eigenvalue."""
    if not precision.shape[-1]:
        return precision
    scale = precision.diagonal(dim1=-2, dim2=-1).amax(-1)[..., None, None].clamp(min=torch.finfo(precision.dtype).tiny)
    eye = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    found: Tensor = torch.linalg.inv(precision + _LEAST * scale * eye)
    return found
