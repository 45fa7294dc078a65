"""Answers left out of decoders, other ones for every mask and group."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding.fit import LEAST, Fit

__all__ = ["Block", "Elimination", "inverse"]

_GROSS = 1e6  # times the median answer's size: what rounding leaves of such an answer would still be felt
_LARGEST = 1e100  # whose square is a number too


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """What fits say of r of their answers that are left.

    Attributes:
        rows: [M, G, r, F] of Q.
        precision: [M, G, r, r] of these answers.
        decoder: [M, G, K, r] their columns.
    """

    rows: Tensor
    precision: Tensor
    decoder: Tensor


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
        self._masks = torch.arange(len(answers), device=answers.device)[:, None, None]
        self._steps = fit.precision.new_empty(*answers.shape[:2], 0, fit.columns.shape[-1])
        self._taken = 0
        self._diagonal = fit.precision.diagonal(dim1=-2, dim2=-1)[:, None].repeat(1, answers.shape[1], 1)
        self._least = self._diagonal * LEAST
        self._beside = fit.precision.diagonal(1, dim1=-2, dim2=-1)[:, None].repeat(1, answers.shape[1], 1)
        self.left_out = torch.zeros_like(self._diagonal, dtype=torch.bool)
        size = answers.abs().amax(-1) if answers.numel() else self._diagonal
        self._has_gross = bool((size.amax(-1) > _GROSS * size.median(-1).values).any())
        self._answers = answers.clamp(-_LARGEST, _LARGEST) if self._has_gross else answers
        self._told: Tensor | None = None

    @property
    def estimates(self) -> Tensor:
        """[M, G, K, c] what the decoders make of the answers that are left."""
        return self._fit.tempered(self.raw, self.uncertainty)

    @property
    def raw(self) -> Tensor:
        """[M, G, K, c] the same without any temperature."""
        steps, left = self._made, self._left
        raw = _of_groups(self._fit.decoder, left)
        return raw - steps[..., self._count :].mT @ (steps[..., : self._count] @ left) if self._taken else raw

    @property
    def uncertainty(self) -> Tensor:
        """[M, G, K] of these estimates, as in `Fit`."""
        wider = self._made[..., self._count :].square().sum(2) / self._fit.variances
        return self._fit.uncertainty[:, None] + wider

    @property
    def doubts(self) -> Tensor:
        """[M, G, F] the `deviations`, or more where an answer and the next one deviate together.

        Two wrong answers that agree hide each other: each is what the other says. What both deviate from all others,
        beyond what the one of them that deviates more does by itself, counts for both.
        """
        alone, told = self.deviations, self._said
        before, after = self._diagonal[..., :-1], self._diagonal[..., 1:]
        room = before * after - self._beside.square()
        products = (told[:, :, :-1] * told[:, :, 1:]).sum(-1)
        joint = alone[..., :-1] + alone[..., 1:] - 2 * self._beside * products / (before * after)
        joint = joint * (before * after) / room
        is_pair = (alone[..., :-1] > 0) & (alone[..., 1:] > 0) & (room > LEAST * before * after)
        beyond = torch.where(is_pair, joint - torch.maximum(alone[..., :-1], alone[..., 1:]), -1.0)
        doubts = alone.clone()
        doubts[..., :-1] = torch.maximum(doubts[..., :-1], beyond)
        doubts[..., 1:] = torch.maximum(doubts[..., 1:], beyond)
        return doubts

    @property
    def deviations(self) -> Tensor:
        """[M, G, F] squared distances of answers from what those left say of them, in units of what is expected.

        Those left out have −1; those of which nobody else says anything 0.
        """
        squares = self._said.square().sum(-1)
        told = (squares / self._diagonal).masked_fill_(self._diagonal <= self._least, 0.0)
        return told.masked_fill_(self.left_out, -1.0)

    def leave_out(self, which: Tensor, *, where: Tensor | None = None) -> None:
        """Leave some more answers out.

        Args:
            which: [M, G, m] of the F, each once, of those that are left.
            where: [M, G, m] bool, which of these; all by default.
        """
        rows, pivot = self._of(which)
        told = None if self._told is None else self._told.gather(2, _along(which, self._told))
        if where is None:
            self.left_out.scatter_(-1, which, value=True)
        else:
            self.left_out.scatter_(-1, which, self.left_out.gather(-1, which) | where)
            rows, told = rows * where[..., None], told if told is None else told * where[..., None]
            pivot = pivot * (where[..., None] & where[..., None, :]) + torch.diag_embed((~where).to(pivot))
        lower = torch.linalg.cholesky(pivot)
        if told is None or self._has_gross:
            self._told, steps = None, torch.linalg.solve_triangular(lower, rows, upper=False)
        else:
            both = torch.linalg.solve_triangular(lower, torch.cat([rows, told], -1), upper=False)
            steps, shares = both[..., : rows.shape[-1]], both[..., rows.shape[-1] :]
        own = steps[..., : self._count]
        if self._told is not None:
            self._told -= own.mT @ shares
        self._diagonal -= own.square().sum(2)
        self._beside -= (own[..., :-1] * own[..., 1:]).sum(2)
        self._keep(steps)

    def leave_out_all(self, which: Tensor) -> None:
        """Leave all answers out that `which` [M, G, F] names."""
        most = int(which.sum(-1).max())
        if most:
            first = which.to(torch.int8).argsort(dim=-1, descending=True, stable=True)[..., :most]
            self.leave_out(first, where=which.gather(-1, first))

    def block(self, which: Tensor) -> Block:
        """Return what is said of some answers that are left, [M, G, r] of the F."""
        rows, precision = self._of(which)
        return Block(
            rows=rows[..., : self._count],
            precision=(precision + precision.mT) / 2,
            decoder=rows[..., self._count :].mT,
        )

    @property
    def _made(self) -> Tensor:
        return self._steps[:, :, : self._taken]

    @property
    def _left(self) -> Tensor:
        return self._answers.masked_fill(self.left_out[..., None], 0.0) if self._taken else self._answers

    @property
    def _said(self) -> Tensor:
        """`Q y` [M, G, F, c] of the answers that are left, with nothing of what is left out; kept up to date."""
        if self._told is None:
            steps, left = self._made[..., : self._count], self._left
            told = _of_groups(self._fit.precision, left)
            self._told = told - steps.mT @ (steps @ left) if self._taken else told
        return self._told

    def _keep(self, steps: Tensor) -> None:
        end = self._taken + steps.shape[2]
        if end > self._steps.shape[2]:
            room = steps.new_empty(*steps.shape[:2], 2 * end, steps.shape[-1])
            room[:, :, : self._taken] = self._made
            self._steps = room
        self._steps[:, :, self._taken : end] = steps
        self._taken = end

    def _of(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of answers, [M, G, m, F + K], and of these the columns of the same answers, [M, G, m, m]."""
        rows = self._fit.columns[self._masks, which]
        if self._taken:
            made = self._made
            rows -= made.gather(-1, _across(which, made)).mT @ made
        return rows, rows.gather(-1, _across(which, rows))


def _along(which: Tensor, values: Tensor) -> Tensor:
    """Return the index of entries `which` [M, G, m] along the third axis of values [M, G, F, n]."""
    return which[..., None].expand(-1, -1, -1, values.shape[-1])


def _across(which: Tensor, values: Tensor) -> Tensor:
    """Return the index of entries `which` [M, G, m] along the last axis of values [M, G, n, F]."""
    return which[:, :, None].expand(-1, -1, values.shape[2], -1)


def _of_groups(matrices: Tensor, answers: Tensor) -> Tensor:
    """Return matrices [M, n, F] times answers [M, G, F, c], without a copy of the matrix for every group."""
    together = matrices @ answers.transpose(1, 2).flatten(2)
    apart: Tensor = together.unflatten(2, (answers.shape[1], answers.shape[3]))
    return apart.transpose(1, 2).contiguous()


def inverse(precision: Tensor) -> Tensor:
    """Return the covariance [..., r, r] of a precision, whose rounding may have left nothing of an eigenvalue."""
    if not precision.numel():
        return precision
    scale = precision.diagonal(dim1=-2, dim2=-1).amax(-1)[..., None, None].clamp(min=torch.finfo(precision.dtype).tiny)
    eye = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    found: Tensor = torch.cholesky_inverse(torch.linalg.cholesky(precision + LEAST * scale * eye))
    return found
