"""A cell with liars, small enough to do by hand what evaluators do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nercc_tune.coding import GroupCode, NerccCode, Placement
from nercc_tune.inference import CellEvaluator, Draws
from nercc_tune.inference.decoders import DistrustingDecoding
from nercc_tune.inference.metrics import Truth
from nercc_tune.inference.wrong_answers import CellErrors, GivenAnswers
from nercc_tune.records import Design, Encoding, Reading
from nercc_tune.spec import StudySpec
from tests.fakes import draw, tiny_model, tiny_spec, tiny_workload
from tests.inference.fakes import Seen

STRAGGLERS = 3
KINDS = ("sign-flip", "normal-10", "other-query", "stale-0.5", "constant-2", "nan", "infinity")
SMALL = (
    f"code={{ queries = 3, workers = 16, stragglers = [{STRAGGLERS}], rack = 4 }}",
    "search.objective=prob_mse",
    f"errors.kinds={list(KINDS)}",
    "errors.count=2",
    "errors.margin=1",
    "evaluation.tuning_groups=4",
    *(f"evaluation.{part}_masks={2 * len(KINDS)}" for part in ("tuning", "validation", "heldout")),
)


class Seeing(nn.Module):
    """The tiny model, which counts the queries that it and its copies see, stale ones among them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_model()
        self.seen = Seen()

    def forward(self, queries: Tensor) -> Tensor:
        self.seen.append(len(queries))
        answers: Tensor = self.inner(queries)
        return answers


@dataclass(frozen=True, kw_only=True, eq=False)
class Lying:
    """The tuning draws of a study with liars, and the evaluator of one cell."""

    spec: StudySpec
    draws: Draws
    evaluator: CellEvaluator
    errors: CellErrors

    @classmethod
    def of(cls, *overrides: str, stragglers: int | None = STRAGGLERS, model: nn.Module | None = None) -> Lying:
        spec = tiny_spec(*SMALL, *overrides)
        draws = draw(spec, workload=tiny_workload(model))
        evaluator = next(iter(draws.evaluators.values())) if stragglers is None else draws.evaluators[stragglers]
        assert evaluator.errors is not None
        return cls(spec=spec, draws=draws, evaluator=evaluator, errors=evaluator.errors)

    @property
    def arrived(self) -> list[Tensor]:
        """Who arrived, by their numbers, in the order of the masks."""
        return [mask for batch in self.evaluator.masks.batches for mask in batch]

    def design(self, encoding: Encoding, reading: Reading) -> Design:
        return self.spec.reference.with_encoding(encoding).with_reading(reading)

    def truth(self, encoding: Encoding, reading: Reading) -> Truth:
        return self.draws.groups.truth(encoding, reading[1])

    def decoding(self, encoding: Encoding, reading: Reading) -> DistrustingDecoding:
        answers, truth = self.draws.groups.answers(encoding), self.truth(encoding, reading)
        return self.evaluator.given.to_decoder(encoding, reading, answers, truth)

    def given(self, encoding: Encoding, reading: Reading) -> GivenAnswers:
        return self.decoding(encoding, reading).given

    def code(self, design: Design, lambda_enc: float) -> GroupCode:
        """Return the code that encodes every group for itself."""
        placement = Placement.of(design)
        return GroupCode(
            lambda nodes: NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=0.0),
            queries=self.spec.code.queries,
            workers=self.spec.code.workers,
            placement=placement,
        )

    @torch.inference_mode()
    def outputs(self, design: Design, lambda_enc: float, model: nn.Module) -> Tensor:
        """Return what a model answers to each worker's coded query, [G, N, c] in the order of their numbers."""
        code, queries = self.code(design, lambda_enc), self.draws.outputs.groups.queries
        return torch.stack([model(code.on(group).encode(group)) for group in queries])
