"""Answers of many masks and groups, read by a code that may distrust some of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nercc_tune.coding.copies import outvoted, votes_of
from nercc_tune.coding.distrust import WEIGHTS, Doubt, tamed
from nercc_tune.coding.elimination import Elimination
from nercc_tune.coding.fit import Fit
from nercc_tune.coding.locators import Variant, bearable, locate
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.coding.typical import Typical
from nercc_tune.records import LOCATORS, Distrust
from nercc_tune.splines.coinciding import ranks

__all__ = ["AnswerReader", "Fitting", "Placed"]

_DOUBTED = 0.1  # of the limit: what deviates less is never doubted


class Placed(Protocol):
    """A linear code on nodes."""

    @property
    def nodes(self) -> NodeSet:
        """α and β."""

    def decoder_matrix(self, arrived: Tensor) -> Tensor:
        """Return the decoder matrices of batches of arrived workers [M, F]."""


@runtime_checkable
class Fitting(Placed, Protocol):
    """One that knows what it expects of every answer."""

    def fit(self, arrived: Tensor) -> Fit:
        """Return the fit of batches of arrived workers [M, F], ascending."""


class AnswerReader:
    """Reads the answers of masks with equally many of them.

    Args:
        code: By whose decoder.
        arrived: [M, F] positions in β, ascending.
        typical: What answers look like, for a distrust that looks at it.
    """

    def __init__(self, code: Placed, arrived: Tensor, typical: Typical | None = None) -> None:
        self._code = code
        self._arrived = arrived
        self._typical = typical

    @cached_property
    def fit(self) -> Fit:
        """Of all masks.

        Raises:
            TypeError: If the code expects nothing of its answers.
        """
        if not isinstance(self._code, Fitting):
            raise TypeError(f"the code must know what it expects of its answers, but got {type(self._code).__name__}.")
        return self._code.fit(self._arrived)

    def read(self, answers: Tensor, *, unusable: Tensor, distrust: Distrust | None = None) -> tuple[Tensor, Tensor]:
        """Return the estimates [M, G, K, c], and who is distrusted, [M, G, F] bool; the unusable are.

        Args:
            answers: [M, G, F, c] float64 in the decode space, finite.
            unusable: [M, G, F] bool, answers that are not looked at.
            distrust: How others are found that should not be believed; None to believe all.

        Raises:
            ValueError: As for `screened`.
        """
        if distrust is None:
            return self._without(answers, unusable), unusable
        unusable = self.screened(answers, unusable=unusable, distrust=distrust)
        if distrust.kind == "median":
            return self._median(answers, unusable, parts=int(distrust.level)), unusable
        if distrust.kind == "copies":
            suspects = unusable | outvoted(self._rank, self._votes(answers, unusable, distrust))
            return self._without(answers, suspects), suspects
        if distrust.kind in LOCATORS:
            answers = tamed(answers, most=distrust.most, unusable=unusable)
            suspects = unusable | self._located(answers, unusable, distrust)
            return self._without(answers, suspects), suspects
        doubt, limit = self.doubt(answers, unusable=unusable, distrust=distrust), distrust.limit
        if distrust.kind in WEIGHTS:
            return doubt.reweigh(limit, WEIGHTS[distrust.kind])
        trail = doubt.trail()
        stop = trail.stop(limit, most=distrust.most)
        return trail.only_at(stop), trail.suspects(stop)

    def screened(self, answers: Tensor, *, unusable: Tensor, distrust: Distrust) -> Tensor:
        """Return the unusable answers, [M, G, F] bool, and those that are not typical: the farthest, `most` at most.

        No more than half of the answers go, so that there are others to be believed, and where copies vote none with
        which another one agrees.

        Raises:
            ValueError: If a distrust looks at what answers look like, and that is not known, or is of other outputs.
        """
        if distrust.typical is None:
            return unusable
        if self._typical is None:
            raise ValueError("`typical` must be given for a distrust that looks at what answers look like.")
        outputs = self._typical.means.shape[-1]
        if answers.shape[-1] != outputs:
            raise ValueError(f"`answers` must have {outputs} outputs, but got {answers.shape[-1]}.")
        apart = self._typical.deviations(answers).masked_fill(unusable, 0.0)
        if distrust.kind == "copies":
            apart = apart.masked_fill(self._votes(answers, unusable, distrust) > 1, 0.0)
        room = ((~unusable).sum(-1, keepdim=True) // 2).clamp(max=distrust.most)
        place = apart.argsort(dim=-1, descending=True).argsort(dim=-1)
        return unusable | ((place < room) & (apart > distrust.typical))

    def doubt(self, answers: Tensor, *, unusable: Tensor, distrust: Distrust) -> Doubt:
        """Return the answers that the decoder doubts, by which they are to be believed or not."""
        fit = self.fit.to(answers.device)
        answers = tamed(answers, most=distrust.most, unusable=unusable)
        return Doubt(fit, answers, most=distrust.most, least=_DOUBTED * distrust.limit, unusable=unusable)

    def deviations(self, answers: Tensor, *, unusable: Tensor) -> Tensor:
        """Return the squared deviations [M, G, F] from what all others say, −1 for what is unusable."""
        left = Elimination(self.fit.to(answers.device), answers)
        left.leave_out_all(unusable)
        return left.deviations

    @cached_property
    def _rank(self) -> Tensor:
        return ranks(self._code.nodes.beta[self._arrived])

    def _votes(self, answers: Tensor, unusable: Tensor, distrust: Distrust) -> Tensor:
        return votes_of(self._rank, answers, limit=distrust.limit, unusable=unusable)

    def _without(self, answers: Tensor, suspects: Tensor) -> Tensor:
        if not bool(suspects.any()):
            return self._code.decoder_matrix(self._arrived).to(answers)[:, None] @ answers
        if not isinstance(self._code, Fitting):
            return self._one_by_one(answers, suspects)
        left = Elimination(self.fit.to(answers.device), answers)
        left.leave_out_all(suspects)
        return left.estimates

    def _one_by_one(self, answers: Tensor, suspects: Tensor) -> Tensor:
        """Return the estimates by a matrix for each mask and group."""
        estimates = [
            torch.stack(
                [
                    self._code.decoder_matrix(arrived[~doubted.cpu()]).to(each) @ each[~doubted]
                    for each, doubted in zip(of_mask, of_it, strict=True)
                ]
            )
            for of_mask, of_it, arrived in zip(answers, suspects, self._arrived, strict=True)
        ]
        return torch.stack(estimates)

    def _median(self, answers: Tensor, unusable: Tensor, *, parts: int) -> Tensor:
        """Return the median of what sub-samples give, each of every so many-th usable answer."""
        if bool(unusable.any()):
            estimates = answers.new_empty(*answers.shape[:2], self._code.nodes.queries, answers.shape[-1])
            for mask, groups, usable in self._alike(unusable):
                own = AnswerReader(self._code, self._arrived[mask, usable.cpu()][None])
                given = answers[mask, groups][None, :, usable]
                all_usable = torch.zeros_like(given[..., 0], dtype=torch.bool)
                estimates[mask, groups] = own._median(given, all_usable, parts=parts)[0]
            return estimates
        read = []
        parts = min(parts, answers.shape[2])
        for part in range(parts):
            matrix = self._code.decoder_matrix(self._arrived[:, part::parts]).to(answers)
            read.append(matrix[:, None] @ answers[:, :, part::parts])
        return torch.stack(read).median(0).values

    def _located(self, answers: Tensor, unusable: Tensor, distrust: Distrust) -> Tensor:
        variant: Variant = "rational" if distrust.kind == "rational" else "polynomial"
        queries, suspects = self._code.nodes.queries, torch.zeros_like(unusable)
        for mask, groups, usable in self._alike(unusable):
            errors = min(int(distrust.level), bearable(len(usable), queries=queries, variant=variant))
            if errors > 0:
                nodes = self._code.nodes.beta[self._arrived[mask, usable.cpu()]].to(answers.device)
                given = answers[mask, groups][:, usable]
                found = locate(nodes, given, queries=queries, errors=errors, variant=variant)
                suspects[mask, groups[:, None], usable] = found
        return suspects

    @staticmethod
    def _alike(unusable: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield each mask with the groups that have the same usable answers, and these."""
        for mask, of_groups in enumerate(unusable):
            patterns, which = of_groups.unique(dim=0, return_inverse=True)
            for number, pattern in enumerate(patterns):
                yield mask, (which == number).nonzero()[:, 0], (~pattern).nonzero()[:, 0]
