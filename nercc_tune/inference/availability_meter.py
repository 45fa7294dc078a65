"""The accuracies of a cell's codes where all workers answer, and on the queries that suffer where some do not."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.inference.availability import MaskedAvailability, find_carriers, measure_availability
from nercc_tune.inference.baselines import Baseline
from nercc_tune.inference.evaluation import CellEvaluator
from nercc_tune.records import Design, Parameter

__all__ = ["AvailabilityMeter"]


@dataclass(frozen=True)
class AvailabilityMeter:
    """Measures availability on the groups and masks of an evaluator; the model runs for no code that it has seen."""

    evaluator: CellEvaluator

    def of(self, design: Design, lambda_enc: float, parameter: Parameter) -> MaskedAvailability:
        """Measure a code as the evaluator's `metrics` does, with the same parameter where all answer.

        Raises:
            OutputError: If the workers' answers are not finite.
        """
        evaluator, encoding = self.evaluator, design.encoding(lambda_enc)
        answers = evaluator.drawn.answers(encoding)
        truth = evaluator.drawn.truth(design, design.decode_space)
        available = evaluator.everybody.metrics(design, lambda_enc, parameter).accuracy[:, 0]
        carriers = evaluator.drawn.carriers(encoding)
        with evaluator.timed():
            decoding = evaluator.prepared(encoding, design.reading, answers, truth)
            return measure_availability(
                decoding.estimates(parameter),
                truth,
                available=available,
                carriers=carriers,
                batches=evaluator.positions(design.assignment, evaluator.drawn.layout(encoding)),
            )

    def of_baseline(self, name: str, design: Design | None = None) -> MaskedAvailability:
        """Measure a baseline as the evaluator's `baseline_metrics` does.

        Raises:
            OutputError: As for `of`.
        """
        evaluator, design = self.evaluator, design or self.evaluator.drawn.reference
        if name == "nercc_ag":
            return self.of(design, 0.0, 0.0)
        baseline = Baseline.of(name, evaluator.drawn, design)
        truth = evaluator.drawn.truth(design, design.decode_space)
        available = evaluator.everybody.baseline_metrics(name, design).accuracy[:, 0]
        with evaluator.timed():
            positions = evaluator.positions(design.assignment, evaluator.drawn.layout(design))
            return measure_availability(
                baseline.estimates(evaluator.given, truth),
                truth,
                available=available,
                carriers=find_carriers(baseline.encoder, baseline.codes[0].networks),
                batches=positions,
            )
