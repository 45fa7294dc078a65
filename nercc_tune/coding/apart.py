"""Answers that are doubted and set aside, and what all others say of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding.elimination import Elimination, inverse
from nercc_tune.coding.fit import Fit

__all__ = ["Apart", "set_aside"]

_SPARE = 10  # doubted answers beyond twice those that may be wrong
_TOGETHER = 16  # the share, one in so many, of doubted answers that are set aside at once
_COMPARABLE = 0.1  # of the largest deviation: answers that deviate less wait for the next round


@dataclass(frozen=True, kw_only=True, eq=False)
class Apart:
    """Answers that are set aside, r of each mask and group, and what is made of all others.

    Attributes:
        fit: Of M masks.
        which: [M, G, r] of the F.
        is_aside: [M, G, r] whether they are: the others fill up, and are believed.
        unusable: [M, G, F] bool, answers that are never believed.
        estimates: [M, G, K, c] of all others, without any temperature.
        uncertainty: [M, G, K] of these.
        decoder: [M, G, K, r] the columns of these r.
        covariance: [M, G, r, r] of these r, given all others.
        distances: [M, G, r, c] from what all others say of them.
    """

    fit: Fit
    which: Tensor
    is_aside: Tensor
    unusable: Tensor
    estimates: Tensor
    uncertainty: Tensor
    decoder: Tensor
    covariance: Tensor
    distances: Tensor

    @classmethod
    def of(cls, fit: Fit, answers: Tensor, is_aside: Tensor, unusable: Tensor) -> Apart:
        """Set answers aside.

        Args:
            fit: Of M masks.
            answers: [M, G, F, c] float64, finite.
            is_aside: [M, G, F] bool.
            unusable: Likewise.
        """
        # As many of all masks and groups: usable ones fill up.
        count = int(is_aside.sum(-1).max())
        rank = 2 * is_aside.to(torch.int8) + (~unusable).to(torch.int8)
        which = rank.argsort(dim=-1, descending=True, stable=True)[..., :count]
        index = which[..., None].expand(-1, -1, -1, answers.shape[-1])
        # Nothing of what is set aside enters what others say, so that rounding leaves nothing of it there.
        others = answers.scatter(2, index, 0.0)
        left = Elimination(fit, others)
        left.leave_out_all(unusable)
        block = left.block(which)
        covariance = inverse(block.precision)
        told = block.rows @ others.masked_fill(unusable[..., None], 0.0)
        gain = block.decoder @ covariance
        return cls(
            fit=fit,
            which=which,
            is_aside=is_aside.gather(-1, which),
            unusable=unusable,
            estimates=left.raw - gain @ told,
            uncertainty=left.uncertainty + (gain * block.decoder).sum(-1) / fit.variances,
            decoder=block.decoder,
            covariance=covariance,
            distances=answers.gather(2, index) + covariance @ told,
        )

    def suspects(self, is_out: Tensor) -> Tensor:
        """Return who is distrusted, [M, G, F] bool, where it is these of the r, [M, G, r] bool."""
        return self.unusable.scatter(-1, self.which, is_out) | self.unusable


@torch.inference_mode()
def set_aside(fit: Fit, answers: Tensor, *, most: int, least: float, unusable: Tensor) -> Tensor:
    """Return which answers are doubted, [M, G, F] bool: all that are wrong, and some that lie beside these.

    They are set aside by how far they deviate from what all others say, a few at a time, so that a wrong answer that
    others hide comes to light when these are gone.

    Args:
        fit: Of M masks.
        answers: [M, G, F, c] float64, finite.
        most: How many answers may be wrong.
        least: The squared deviation below which no answer is doubted.
        unusable: [M, G, F] bool, answers that are not looked at.

    Reference:
        Atkinson, Fast very robust methods for the detection of multiple outliers, JASA 89 (1994).
    """
    if not most:
        return torch.zeros_like(unusable)
    left = Elimination(fit.alone, answers)
    left.leave_out_all(unusable)
    room = ((~unusable).sum(-1, keepdim=True) // 2).clamp(max=2 * most + _SPARE)
    together = (room + _TOGETHER - 1) // _TOGETHER
    place = torch.arange(int(together.max()), device=answers.device)
    for _ in range(2 * _TOGETHER):
        worst, which = left.doubts.topk(len(place), dim=-1)
        where = (worst > (_COMPARABLE * worst[..., :1]).clamp_(min=least)) & (place < torch.minimum(room, together))
        taken = where.sum(-1, keepdim=True)
        fewest, most_of_all = (int(count) for count in torch.aminmax(taken))
        if not most_of_all:
            break
        # The first of each, since they are in order.
        is_even = fewest == most_of_all
        left.leave_out(which[..., :most_of_all], where=None if is_even else where[..., :most_of_all])
        room = room - taken
    return left.left_out & ~unusable
