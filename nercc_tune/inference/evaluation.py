"""One cell on fixed draws: any (λ_enc, λ_dec) and every baseline, on the same groups and masks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, LinearCode, NerccCode, NodeSet
from nercc_tune.inference.metrics import MaskedMetrics, Truth, measure
from nercc_tune.inference.outputs import WorkerOutputs
from nercc_tune.inference.profile import DecoderProfile
from nercc_tune.records import Score
from nercc_tune.timings import Timings


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A pair in one cell, with the MSE of every λ_dec of the grid at its λ_enc."""

    lambda_enc: float
    lambda_dec: float
    score: Score
    profile: tuple[float, ...]


class CellEvaluator:
    """Evaluates codes at one straggler count on fixed groups and masks."""

    def __init__(
        self, nodes: NodeSet, arrived: Tensor, *, outputs: WorkerOutputs, truth: Truth, timings: Timings
    ) -> None:
        self.nodes = nodes
        self.arrived = arrived
        self._outputs = outputs
        self._truth = truth
        self._timings = timings
        with timings.measure("decode"):
            self._profile = DecoderProfile(nodes, arrived)

    def evaluate(self, lambda_enc: float, lambda_dec: float | None, grid: tuple[float, ...]) -> Evaluation:
        """Evaluate a pair; where λ_dec is None, the best one to three digits.

        Raises:
            OutputError: If the workers' answers at this λ_enc are not finite.
        """
        answers = self._answers(lambda_enc)
        with self._timings.measure("decode"):
            best, profile = self._profile.best(answers, self._truth, grid)
            chosen = best if lambda_dec is None else lambda_dec
            score = measure(answers, self._profile.decoders(chosen), self.arrived, self._truth).score()
        return Evaluation(lambda_enc=lambda_enc, lambda_dec=chosen, score=score, profile=profile)

    def pair_metrics(self, lambda_enc: float, lambda_dec: float) -> MaskedMetrics:
        """Return the metrics [G, M] of a pair.

        Raises:
            OutputError: As for `evaluate`.
        """
        answers = self._answers(lambda_enc)
        with self._timings.measure("decode"):
            return measure(answers, self._profile.decoders(lambda_dec), self.arrived, self._truth)

    def baseline_metrics(self, name: str) -> MaskedMetrics:
        """Return the metrics [G, M] of a baseline of `nercc_tune.coding.BASELINE_CODES`.

        Raises:
            OutputError: As for `evaluate`.
        """
        code: LinearCode = BASELINE_CODES[name](self.nodes)
        answers = self._outputs.of(code.encoder_matrix)
        with self._timings.measure("decode"):
            return measure(answers, code.decoder_matrix(self.arrived), self.arrived, self._truth)

    def df_dec(self, lambda_dec: float) -> float:
        """Return the decoder's effective degrees of freedom, averaged over the masks."""
        return self._profile.df(lambda_dec)

    def _answers(self, lambda_enc: float) -> Tensor:
        return self._outputs.of(NerccCode(self.nodes, lambda_enc=lambda_enc, lambda_dec=0.0).encoder_matrix)
