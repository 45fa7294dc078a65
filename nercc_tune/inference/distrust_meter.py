"""What a cell's code does about wrong answers: whom it distrusts, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.inference.evaluation import CellEvaluator
from nercc_tune.inference.metrics import MaskedMetrics, measure
from nercc_tune.records import Design, Parameter, Trusting

__all__ = ["DistrustMeter", "MaskedDistrust"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedDistrust:
    """Who was distrusted under each mask, and metrics of what the code is compared with.

    Attributes:
        kinds: [M] how the liars of each mask lie.
        wrong: [M] wrong answers, the same in all groups; likewise `right`.
        right: [M] right answers.
        found: [G, M] wrong answers that are distrusted.
        accused: [G, M] right answers that are distrusted.
        oracle: Where somebody says who lies.
        honest: Where nobody lies.
        honest_trusting: Where nobody lies and all are believed.
        false_alarms: Share of answers that are distrusted where nobody lies.
    """

    kinds: tuple[str, ...]
    wrong: Tensor
    right: Tensor
    found: Tensor
    accused: Tensor
    oracle: MaskedMetrics
    honest: MaskedMetrics
    honest_trusting: MaskedMetrics
    false_alarms: float


@dataclass(frozen=True)
class DistrustMeter:
    """Measures distrust on the groups and masks of an evaluator whose cell has liars."""

    evaluator: CellEvaluator

    def of(self, design: Design, lambda_enc: float, parameter: Parameter, *, trusting: Trusting) -> MaskedDistrust:
        """Measure a code.

        Args:
            design: Its design.
            lambda_enc: λ_enc.
            parameter: What its decoder is set to.
            trusting: What it is best set to where nobody lies, for the oracle and for those who believe all.

        Raises:
            OutputError: If right answers are not finite.
            ValueError: If nobody lies in the cell.
        """
        evaluator, encoding = self.evaluator, design.encoding(lambda_enc)
        errors = evaluator.errors
        if errors is None:
            raise ValueError("the cell must have liars, but has none.")
        answers = evaluator.drawn.answers(encoding)
        truth = evaluator.drawn.truth(design, design.decode_space)
        with evaluator.timed():
            decoding = evaluator.given.to_decoder(encoding, design.reading, answers, truth)
            honest = decoding.honest()
            lying, found, accused = [], [], []
            for reading in decoding.readings(parameter):
                lies = reading.given.lying[:, None].to(reading.suspects.device)
                lying.append(reading.given.lying)
                found.append((reading.suspects & lies).sum(-1))
                accused.append((reading.suspects & ~lies).sum(-1))
            alarms = [reading.suspects.to(torch.float64).mean((1, 2)) for reading in honest.readings(parameter)]
            return MaskedDistrust(
                kinds=tuple(errors.lies.kind(mask).label for mask in range(len(errors.lies))),
                wrong=torch.cat([each.sum(-1) for each in lying]),
                right=torch.cat([(~each).sum(-1) for each in lying]),
                found=torch.cat(found).mT.cpu(),
                accused=torch.cat(accused).mT.cpu(),
                oracle=measure(decoding.oracle(trusting), truth),
                honest=measure(honest.estimates(parameter), truth),
                honest_trusting=measure(honest.estimates(trusting), truth),
                false_alarms=float(torch.cat(alarms).mean()),
            )
