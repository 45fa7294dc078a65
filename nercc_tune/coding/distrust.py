"""Which answers to distrust, and estimates without them: by what all others say of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.coding.elimination import Block, Elimination, inverse
from nercc_tune.coding.fit import Fit

__all__ = ["WEIGHTS", "Doubt", "Trail", "tamed"]

_SPARE = 10  # doubted answers beyond twice those that may be wrong
_TOGETHER = 16  # the share, one in so many, of doubted answers that are set aside at once
_COMPARABLE = 0.1  # of the largest deviation: answers that deviate less wait for the next round
_ROUNDS = 10  # of weights
_LEAST_WEIGHT = 1e-6
_DISTRUSTED = 0.5  # a weight below it counts as distrust
_FARTHEST = 1e3  # times what right answers reach; more is surely wrong, and rounding leaves 1e-13 of so much


def _huber(share: Tensor) -> Tensor:
    return 1 / share.clamp(min=1)


def _tukey(share: Tensor) -> Tensor:
    return (1 - share.clamp(max=1).square()).square()


WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"huber": _huber, "tukey": _tukey}
"""Weights of answers by their deviation in shares of the limit.

Reference:
    Huber, Robust estimation of a location parameter (1964); Beaton and Tukey, The fitting of power series (1974).
"""


def tamed(answers: Tensor, *, most: int, unusable: Tensor) -> Tensor:
    """Return the answers with those scaled down that are too large to be taken off others without rounding.

    One of 1e30, as a flipped bit makes it, leaves nothing of the others when its share is taken off theirs.

    Args:
        answers: [M, G, F, c] float64, finite.
        most: How many may be wrong: one more than these reach what right answers reach.
        unusable: [M, G, F] bool, answers that are not looked at.
    """
    size = answers.abs().amax(-1).masked_fill(unusable, 0)
    reached = size.topk(min(most + 1, size.shape[-1]), dim=-1).values[..., -1:]
    is_beyond = (size > _FARTHEST * reached) & (reached > 0)
    if not bool(is_beyond.any()):
        return answers
    return answers * torch.where(is_beyond, _FARTHEST * (reached / size), 1.0)[..., None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trail:
    """What comes of believing set-aside answers again, one at a time, always the one that deviates least.

    Attributes:
        aside: [M, G, r] the answers that were set aside, of the F.
        order: [r, M, G] which of these r is believed at each step.
        least: [r, M, G] its squared deviation from what all that are believed by then say.
        estimates: [r + 1, M, G, K, c] before each step, and after the last.
        unusable: [M, G, F] bool, answers that are never believed.
    """

    aside: Tensor
    order: Tensor
    least: Tensor
    estimates: Tensor
    unusable: Tensor

    def stop(self, limit: float, *, most: int) -> Tensor:
        """Return after how many steps [M, G] the first deviates too much.

        Args:
            limit: The largest squared deviation of an answer that is believed.
            most: So many stay aside at most, whatever they deviate.
        """
        steps = len(self.order)
        is_believed = (self.least <= limit).to(torch.int64).cumprod(0)
        return is_believed.sum(0).clamp(min=steps - most)

    def suspects(self, stop: Tensor) -> Tensor:
        """Return who is distrusted, [M, G, F] bool, after so many steps [M, G]."""
        believed_at = torch.empty_like(self.order)
        steps = torch.arange(len(self.order), device=self.order.device)[:, None, None].expand_as(self.order)
        believed_at.scatter_(0, self.order, steps)
        is_out = (believed_at >= stop).movedim(0, -1)
        return self.unusable.scatter(-1, self.aside, is_out) | self.unusable

    def at(self, stop: Tensor) -> Tensor:
        """Return the estimates [M, G, K, c] after so many steps [M, G]."""
        index = stop[None, ..., None, None].expand(1, *self.estimates.shape[1:])
        return self.estimates.gather(0, index)[0]


class Doubt:
    """Answers that fits doubt most, set aside: all that are wrong, and some that lie beside these.

    They are set aside by how far they deviate from what all others say, a few at a time, so that a wrong answer that
    others hide comes to light when these are gone. Which of them are believed after all is decided afterwards, by what
    those that were never doubted say: by a limit (`trail`), or by weights.

    Args:
        fit: Of M masks.
        answers: [M, G, F, c] float64, finite.
        most: How many answers may be wrong.
        least: The squared deviation below which no answer is doubted. With 0, wrong answers that agree with each
            other are doubted too; with more, answers that agree are evidence.
        unusable: [M, G, F] bool, answers that are never believed.

    Reference:
        Atkinson, Fast very robust methods for the detection of multiple outliers, JASA 89 (1994).
    """

    def __init__(self, fit: Fit, answers: Tensor, *, most: int, least: float, unusable: Tensor) -> None:
        self._fit, self._unusable = fit, unusable
        self._all = Elimination(fit, answers)
        self._all.leave_out_all(unusable)
        count = min(2 * most + _SPARE, (answers.shape[2] - int(unusable.sum(-1).max())) // 2) if most else 0
        is_aside = self._set_aside(answers, count, least)
        # As many of all masks and groups, of which some are none of these.
        counts = is_aside.sum(-1)
        first = is_aside.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
        self._aside = first[..., : int(counts.max())]
        self._is_aside = is_aside.gather(-1, self._aside)

    def _set_aside(self, answers: Tensor, count: int, least: float) -> Tensor:
        left = Elimination(self._fit, answers)
        left.leave_out_all(self._unusable)
        together = -(-count // _TOGETHER)
        for _ in range(2 * _TOGETHER):
            worst, which = left.deviations.topk(together, dim=-1)
            is_room = (left.left_out & ~self._unusable).sum(-1)[..., None] + torch.arange(
                together, device=worst.device
            ) < count
            where = (worst > least) & (worst >= _COMPARABLE * worst[..., :1]) & is_room
            if not bool(where.any()):
                break
            left.leave_out(which, where=where)
        return left.left_out & ~self._unusable

    @cached_property
    def _block(self) -> Block:
        return self._all.block(self._aside)

    @cached_property
    def _covariance(self) -> Tensor:
        """[M, G, r, r] of the set-aside answers, given all others."""
        return inverse(self._block.precision)

    @cached_property
    def _apart(self) -> Tensor:
        """[M, G, r, c] how far they are from what all others say."""
        return self._covariance @ self._block.told

    def trail(self) -> Trail:
        """Believe the answers again, one at a time."""
        block, covariance, apart = self._block, self._covariance.clone(), self._apart.clone()
        gain = block.decoder @ covariance
        raw = block.estimates - block.decoder @ apart
        wider = block.uncertainty + (gain * block.decoder).sum(-1) / self._fit.variances
        own = covariance.diagonal(dim1=-2, dim2=-1)
        least_variance = own * _LEAST_WEIGHT
        is_left, is_first = torch.ones_like(self._is_aside), ~self._is_aside
        order, least, estimates = [], [], [self._fit.tempered(raw, wider)]
        for _ in range(self._aside.shape[-1]):
            variance = covariance.diagonal(dim1=-2, dim2=-1).clamp(min=least_variance)
            squares = apart.square().sum(-1) / variance
            deviation, at = torch.where(is_left, squares.masked_fill(is_first, 0.0), torch.inf).min(-1)
            index = at[..., None]
            share = (
                covariance.gather(-1, index[..., None].expand(-1, -1, covariance.shape[-1], 1))
                / (variance.gather(-1, index)[..., None])
            )
            step = gain.gather(-1, index[..., None].expand(-1, -1, gain.shape[2], 1))
            distance = apart.gather(2, index[..., None].expand(-1, -1, 1, apart.shape[-1]))
            raw = raw + step @ distance / variance.gather(-1, index)[..., None]
            wider = wider - step[..., 0].square() / variance.gather(-1, index) / self._fit.variances
            gain = gain - step @ share.mT
            apart = apart - share @ distance
            covariance = covariance - share @ share.mT * variance.gather(-1, index)[..., None]
            is_left = is_left.scatter(-1, index, value=False)
            order.append(at)
            least.append(deviation)
            estimates.append(self._fit.tempered(raw, wider))
        shape = self._aside.shape[:2]
        return Trail(
            aside=self._aside,
            order=torch.stack(order) if order else self._aside.new_zeros(0, *shape),
            least=torch.stack(least) if least else own.new_zeros(0, *shape),
            estimates=torch.stack(estimates),
            unusable=self._unusable,
        )

    def reweigh(self, limit: float, weight: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Weigh the set-aside answers by how they deviate from what all others say, again and again until it settles.

        An answer of weight w and expected variance v is read as one with further noise of variance `(1 / w − 1) v`. At
        first none of them is believed.

        Args:
            limit: The squared deviation from which on weights fall.
            weight: One of `WEIGHTS`.

        Returns:
            Estimates [M, G, K, c], and who has less than half a weight, [M, G, F].
        """
        block, covariance = self._block, self._covariance
        own = covariance.diagonal(dim1=-2, dim2=-1)
        noise, weights = own / _LEAST_WEIGHT * self._is_aside, torch.zeros_like(own)
        for _ in range(_ROUNDS):
            read = torch.linalg.inv(covariance + torch.diag_embed(noise))
            precision = read.diagonal(dim1=-2, dim2=-1)
            squares = (read @ self._apart).square().sum(-1) / precision.square()
            variance = (1 / precision - noise).clamp(min=_LEAST_WEIGHT * own)
            weights = weight((squares / variance / limit).sqrt()).clamp(min=_LEAST_WEIGHT)
            noise = (1 / weights - 1) * variance
        read = torch.linalg.inv(covariance + torch.diag_embed(noise))
        raw = block.estimates - block.decoder @ (self._apart - covariance @ (read @ self._apart))
        gone = covariance - covariance @ read @ covariance
        wider = block.uncertainty + ((block.decoder @ gone) * block.decoder).sum(-1) / self._fit.variances
        suspects = self._unusable.scatter(-1, self._aside, weights < _DISTRUSTED) | self._unusable
        return self._fit.tempered(raw, wider), suspects
