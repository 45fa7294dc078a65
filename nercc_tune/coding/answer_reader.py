"""Answers of many masks and groups, read by a code that may distrust some of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from nercc_tune.coding.distrust import WEIGHTS, Doubt
from nercc_tune.coding.elimination import Elimination
from nercc_tune.coding.fit import Fit
from nercc_tune.coding.locators import Variant, bearable, locate
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.records import LOCATORS, Distrust

__all__ = ["AnswerReader", "Fitting"]


class Fitting(Protocol):
    """A linear code on nodes that knows what it expects of every answer."""

    @property
    def nodes(self) -> NodeSet:
        """α and β."""

    def fit(self, arrived: Tensor) -> Fit:
        """Return the fit of batches of arrived workers [M, F], ascending."""

    def decoder_matrix(self, arrived: Tensor) -> Tensor:
        """Return the decoder matrices of these."""


class AnswerReader:
    """Reads the answers of masks with equally many of them.

    Args:
        code: By whose decoder.
        arrived: [M, F] positions in β, ascending.
    """

    def __init__(self, code: Fitting, arrived: Tensor) -> None:
        self._code = code
        self._arrived = arrived

    @cached_property
    def fit(self) -> Fit:
        """Of all masks."""
        return self._code.fit(self._arrived)

    def read(self, answers: Tensor, *, unusable: Tensor, distrust: Distrust | None = None) -> tuple[Tensor, Tensor]:
        """Return the estimates [M, G, K, c], and who is distrusted, [M, G, F] bool; the unusable are.

        Args:
            answers: [M, G, F, c] float64 in the decode space, finite.
            unusable: [M, G, F] bool, answers that are not looked at.
            distrust: How others are found that should not be believed; None to believe all.
        """
        if distrust is None:
            return self._without(answers, unusable), unusable
        if distrust.kind == "median":
            return self._median(answers, unusable, parts=int(distrust.level)), unusable
        if distrust.kind in LOCATORS:
            suspects = unusable | self._located(answers, unusable, distrust)
            return self._without(answers, suspects), suspects
        doubt, limit = self.doubt(answers, unusable=unusable, distrust=distrust), distrust.limit
        if distrust.kind in WEIGHTS:
            return doubt.reweigh(limit, WEIGHTS[distrust.kind])
        trail = doubt.trail()
        stop = trail.stop(limit, most=distrust.most)
        return trail.only_at(stop), trail.suspects(stop)

    def doubt(self, answers: Tensor, *, unusable: Tensor, distrust: Distrust) -> Doubt:
        """Return the answers that the decoder doubts, by which they are to be believed or not."""
        fit = self.fit.to(answers.device)
        return Doubt(fit, answers, most=distrust.most, least=distrust.scale, unusable=unusable)

    def deviations(self, answers: Tensor, *, unusable: Tensor) -> Tensor:
        """Return the squared deviations [M, G, F] from what all others say, −1 for what is unusable."""
        left = Elimination(self.fit.to(answers.device), answers)
        left.leave_out_all(unusable)
        return left.deviations

    def _without(self, answers: Tensor, suspects: Tensor) -> Tensor:
        if not bool(suspects.any()):
            return self._code.decoder_matrix(self._arrived).to(answers)[:, None] @ answers
        left = Elimination(self.fit.to(answers.device), answers)
        left.leave_out_all(suspects)
        return left.estimates

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
        for part in range(min(parts, answers.shape[2])):
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
