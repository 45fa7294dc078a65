"""What is served: a model, the queries it answers and how they are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from nercc_tune.records import OutputKind

__all__ = ["QuerySource", "Workload"]


class QuerySource(Protocol):
    """Labelled queries, prepared for a model when they are asked for."""

    @property
    def name(self) -> str:
        """The name of the data set."""

    @property
    def labels(self) -> Tensor:
        """The labels of all queries, int64 [n]."""

    @property
    def identity(self) -> str:
        """A digest of what the queries are, wherever they lie: name, split, labels and a sample of the contents."""

    def __len__(self) -> int: ...

    def check(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Look once at some queries, at least cost, and return what a reader should know of them.

        Raises:
            ValueError: An index is not that of a query.
            WorkloadError: A query cannot be loaded, or has another shape than the first.
        """

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Prepare some queries, float32 [n, *query_shape], and their labels, int64 [n].

        Raises:
            ValueError: An index is not that of a query.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """A model with the queries that it answers.

    `model` is in evaluation mode, in float32, on the CPU, and gives [B, outputs] for queries [B, *query_shape]: logits,
    or probabilities where `output_kind` says so.
    `fingerprint` is a SHA-256 over the weights, the architecture, the identity of the data and the preprocessing; it
    does not depend on where files lie. `weights_source` is one of `shipped`, `home`, `checkpoint`, `pretrained`,
    `random`, `exported program` and `own code`.
    """

    model_name: str
    data_name: str
    model: nn.Module
    data: QuerySource
    query_shape: tuple[int, ...]
    outputs: int
    fingerprint: str
    weights_source: str
    output_kind: OutputKind = "logits"
