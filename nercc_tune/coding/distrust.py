"""Which answers to distrust, and estimates without them: by what all others say of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.coding.apart import Apart, set_aside
from nercc_tune.coding.elimination import inverse
from nercc_tune.coding.fit import Fit

__all__ = ["WEIGHTS", "Doubt", "Trail", "tamed"]

_ROUNDS = 10  # of weights
_LEAST_VARIANCE = 1e-6  # in shares of what it was before others were believed: less is rounding
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
    if not answers.numel():
        return answers
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
        apart: The answers that were set aside.
        order: [r, M, G] which of these r is believed at each step.
        least: [r, M, G] its squared deviation from what all that are believed by then say.
        gains: [M, G, K, r] what each step does to the estimates, for a deviation of 1 of what is expected.
        steps: [M, G, r, c] these deviations.
    """

    apart: Apart
    order: Tensor
    least: Tensor
    gains: Tensor
    steps: Tensor

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
        return self.apart.suspects((believed_at >= stop).movedim(0, -1))

    def at(self, stop: Tensor) -> Tensor:
        """Return the estimates [M, G, K, c] after so many steps [M, G], of which `estimates` keeps all."""
        index = stop[None, ..., None, None].expand(1, *self.estimates.shape[1:])
        return self.estimates.gather(0, index)[0]

    def only_at(self, stop: Tensor) -> Tensor:
        """Return the same without those of other steps, which is quicker where no more than a few are asked for."""
        is_made = torch.arange(len(self.order), device=stop.device) < stop[..., None]
        raw = self.apart.estimates + self.gains @ self.steps.masked_fill(~is_made[..., None], 0.0)
        if not self.apart.fit.temperature:
            return raw
        less = (self.gains.square() * is_made[..., None, :]).sum(-1) / self.apart.fit.variances
        return self.apart.fit.tempered(raw, self.apart.uncertainty - less)

    @cached_property
    def estimates(self) -> Tensor:
        """[r + 1, M, G, K, c] before each step, and after the last."""
        fit, uncertainty = self.apart.fit, self.apart.uncertainty
        raw = self.apart.estimates.new_empty(len(self.order) + 1, *self.apart.estimates.shape)
        raw[0] = self.apart.estimates
        for step in range(len(self.order)):
            gain, read = self.gains[..., step, None], self.steps[:, :, step, None]
            torch.addcmul(raw[step], gain, read, out=raw[step + 1])
            raw[step] = fit.tempered(raw[step], uncertainty)
            uncertainty = uncertainty - gain[..., 0].square() / fit.variances
        raw[-1] = fit.tempered(raw[-1], uncertainty)
        return raw


class Doubt:
    """Answers that fits doubt most, set aside: all that are wrong, and some that lie beside these.

    Which of them are believed after all is decided by what those that were never doubted say: by a limit (`trail`), or
    by weights.

    Args:
        fit: Of M masks.
        answers: [M, G, F, c] float64, finite.
        most: How many answers may be wrong.
        least: The squared deviation below which no answer is doubted. With 0, wrong answers that agree with each
            other are doubted too; with more, answers that agree are evidence.
        unusable: [M, G, F] bool, answers that are never believed.
    """

    def __init__(self, fit: Fit, answers: Tensor, *, most: int, least: float, unusable: Tensor) -> None:
        is_aside = set_aside(fit, answers, most=most, least=least, unusable=unusable)
        self._apart = Apart.of(fit, answers, is_aside, unusable)

    def trail(self) -> Trail:
        """Believe the answers again, one at a time."""
        order, least, rows = _believe(self._apart)
        count = len(order)
        gains = self._apart.decoder @ rows[..., :count].mT
        return Trail(apart=self._apart, order=order, least=least, gains=gains, steps=rows[..., count:])

    def reweigh(self, limit: float, weight: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Weigh the set-aside answers by how they deviate from what all others say, again and again until it settles.

        An answer of weight w and expected variance v is read as one with further noise of variance `(1 / w − 1) v`:
        with `B = (√w C √w + (1 − w) v)⁻¹` in place of C⁻¹, which holds for w = 0 too. At first none is believed.

        Args:
            limit: The squared deviation from which on weights fall.
            weight: One of `WEIGHTS`.

        Returns:
            Estimates [M, G, K, c], and who has less than half a weight, [M, G, F].
        """
        apart = self._apart
        covariance, distances = apart.covariance, apart.distances
        variance = own = covariance.diagonal(dim1=-2, dim2=-1)
        weights = (~apart.is_aside).to(own)
        for _ in range(_ROUNDS):
            read, within = _read(covariance, weights, variance)
            told = read @ distances
            left = distances - covariance @ told
            kept = own - ((covariance @ read) * covariance).sum(-1)
            # Without its own say, in forms that hold for weights from 0 to 1.
            without = (left + variance[..., None] * told) / (variance * within)[..., None]
            alone = kept / (variance * within) + 1 / within - (1 - weights) * variance
            variance = torch.maximum(alone, _LEAST_VARIANCE * own)
            share = (without.square().sum(-1) / variance / limit).sqrt()
            weights = torch.where(apart.is_aside, weight(share), 1.0)
        read, _ = _read(covariance, weights, variance)
        gain = apart.decoder @ covariance @ read
        uncertainty = apart.uncertainty - (gain @ covariance * apart.decoder).sum(-1) / apart.fit.variances
        estimates = apart.fit.tempered(apart.estimates + gain @ distances, uncertainty)
        return estimates, apart.suspects(weights < _DISTRUSTED)


@torch.inference_mode()
def _believe(apart: Apart) -> tuple[Tensor, Tensor, Tensor]:
    """Return the order and the least deviations [r, M, G] of a `Trail`, and what its steps make of all r.

    These are [M, G, r, r + c]: the covariance is `RᵀR` with the first r columns R, and the others are what each step
    reads of the distances.
    """
    masks, groups, count, _ = apart.distances.shape
    # What a step does to the covariance, it does to the distances alike.
    state = torch.cat([apart.covariance, apart.distances], -1).flatten(0, 1)
    distances, own = state[..., count:], state[..., :count].diagonal(dim1=-2, dim2=-1)
    least_variance, of = own * _LEAST_VARIANCE, torch.arange(len(state), device=state.device)[:, None]
    # What fills up is believed first, and what is believed is not looked at again.
    turn = torch.where(apart.is_aside.flatten(0, 1), 0.0, -torch.inf).to(own)
    order, least, rows = [], [], []
    for _ in range(count):
        variance = torch.maximum(own, least_variance)
        deviation, at = (distances.square().sum(-1) / variance).add_(turn).min(-1, keepdim=True)
        row = state[of, at] * variance.gather(-1, at).rsqrt_()[..., None]
        state.addcmul_(row[..., :count].mT, row, value=-1)
        turn.scatter_(-1, at, torch.inf)
        order.append(at)
        least.append(deviation)
        rows.append(row)
    shape = (masks, groups)
    if not rows:
        nothing = own.new_empty(0, *shape)
        return nothing.to(torch.int64), nothing, state.unflatten(0, shape)
    steps, deviations = torch.cat(order, -1).mT, torch.cat(least, -1).mT.clamp(min=0.0)
    return steps.unflatten(1, shape), deviations.unflatten(1, shape), torch.cat(rows, 1).unflatten(0, shape)


def _read(covariance: Tensor, weights: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return `√w B √w` [M, G, r, r], and the diagonal of B."""
    root = weights.sqrt()
    both = root[..., None] * root[..., None, :]
    within = inverse(both * covariance + torch.diag_embed((1 - weights) * variance))
    return both * within, within.diagonal(dim1=-2, dim2=-1)
