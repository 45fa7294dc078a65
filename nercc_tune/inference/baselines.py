"""The codes that every tuned code is compared with, in one design and on the groups of a part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, LinearCode, bearable, locate
from nercc_tune.inference.cell_answers import CellAnswers
from nercc_tune.inference.decoders import decode_by_matrices
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.layout import Layout
from nercc_tune.inference.metrics import Truth
from nercc_tune.inference.wrong_answers import GivenAnswers
from nercc_tune.records import Design, ErrorKind

__all__ = ["Baseline"]

_CODES = {"approxifer": "bacc", "vote": "replication"}
"""What the baselines that are made for wrong answers send."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """A baseline in a design.

    Attributes:
        name: `approxifer` (Berrut's code, whose locator is told how many answers are wrong), `vote` (replication, of
            whose copies the median is taken), or one of `nercc_tune.coding.BASELINE_CODES`.
        codes: One for all groups, or one for each.
        encoder: [N, K], or one for each group, for queries in the order of the nodes.
        answers: [G, N, c] right outputs of the workers.
    """

    name: str
    drawn: DrawnGroups
    design: Design
    codes: list[LinearCode]
    encoder: Tensor
    answers: Tensor

    @classmethod
    def of(cls, name: str, drawn: DrawnGroups, design: Design) -> Baseline:
        """Build a baseline, and run the model for it.

        Raises:
            OutputError: If the workers' answers are not finite.
        """
        layout = drawn.layout(design)
        codes = [BASELINE_CODES[_CODES.get(name, name)](nodes) for nodes in layout.nodes.each()]
        encoder = codes[0].encoder_matrix if len(codes) == 1 else torch.stack([code.encoder_matrix for code in codes])
        answers = drawn.outputs.of(layout.unordered(encoder), networks=codes[0].networks)
        return cls(name=name, drawn=drawn, design=design, codes=codes, encoder=encoder, answers=answers)

    def estimates(self, given: CellAnswers, truth: Truth) -> Iterator[Tensor]:
        """Yield the estimates [m, G, K, c] of all masks in turn, a part at a time.

        Args:
            given: What the workers of the cell answer.
            truth: Of the groups, in the decode space.
        """
        design, errors = self.design, given.masks.errors
        if errors is None:
            beta, rack = self._layout.nodes.beta, self.drawn.reference.rack
            positions = given.masks.positions(design.assignment, beta, rack=rack)
            return decode_by_matrices(self.codes, truth.answers(self.answers), positions)
        answers = given.by(design.assignment, self._layout, self.answers, truth, cache(self._stale))
        return self._from_some_wrong(answers, liars=errors.liars)

    @cached_property
    def _layout(self) -> Layout:
        return self.drawn.layout(self.design)

    def _stale(self, kind: ErrorKind) -> Tensor:
        return self.drawn.stale_to(self._layout.unordered(self.encoder), kind)

    def _from_some_wrong(self, given: GivenAnswers, *, liars: int) -> Iterator[Tensor]:
        """Yield the estimates from answers of which some are wrong; what is no number has not arrived."""
        for batch in given.each():
            is_usable = ~batch.unusable.any(1)
            for answers, arrived, usable in zip(batch.answers, batch.arrived, is_usable, strict=True):
                left, workers = answers[:, usable], arrived[usable.to(arrived.device)]
                unknown = max(0, liars - (len(arrived) - len(workers)))
                yield self._decode(left, workers, given, liars=unknown).to(torch.float32)[None]

    def _decode(self, answers: Tensor, arrived: Tensor, given: GivenAnswers, *, liars: int) -> Tensor:
        """Return the estimates [G, K, c] from answers [G, F, c] of workers at positions [F]."""
        if self.name == "vote":
            return self._vote(answers, arrived)
        if self.name == "approxifer" and given.is_distinct:
            return self._located(answers, arrived, liars=liars)
        matrices = torch.stack([code.decoder_matrix(arrived) for code in self.codes]).to(answers)
        return matrices @ answers

    def _located(self, answers: Tensor, arrived: Tensor, *, liars: int) -> Tensor:
        queries, nodes = self.codes[0].queries, self._layout.nodes.beta[arrived].to(answers.device)
        errors = min(liars, bearable(len(arrived), queries=queries))
        if not errors:
            return torch.stack([code.decoder_matrix(arrived) for code in self.codes]).to(answers) @ answers
        suspects = locate(nodes, answers, queries=queries, errors=errors)
        codes = self.codes * (len(answers) if len(self.codes) == 1 else 1)
        estimates = [
            code.decoder_matrix(arrived[~doubted.cpu()]).to(each) @ each[~doubted]
            for code, each, doubted in zip(codes, answers, suspects, strict=True)
        ]
        return torch.stack(estimates)

    def _vote(self, answers: Tensor, arrived: Tensor) -> Tensor:
        """Return the median of the copies of each query, and for one that has none the mean of all others'."""
        copies = self.codes[0].encoder_matrix[arrived].mT.to(torch.bool)
        found = [_median(answers[:, mine.to(answers.device)]) for mine in copies if bool(mine.any())]
        mean = torch.stack(found).mean(0)
        known = iter(found)
        return torch.stack([next(known) if bool(mine.any()) else mean for mine in copies], 1)


def _median(answers: Tensor) -> Tensor:
    """Return the median [G, c] of answers [G, F, c]; of an even number the mean of the two in the middle."""
    low, high = answers.median(1).values, -(-answers).median(1).values
    return (low + high) / 2
