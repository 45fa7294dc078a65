"""The codec of schemes that send queries as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nercc_tune.errors import ServiceError
from nercc_tune.records import OutputKind
from nercc_tune.service.codec import Estimates
from nercc_tune.service.probabilities import to_probabilities

__all__ = ["PlainCodec"]


@dataclass(frozen=True, kw_only=True)
class PlainCodec:
    """Sends every worker the query itself: for no redundancy, more workers, replication and hedging.

    Attributes:
        tasks: How many are sent of a query, hedges included.
        output_kind: What the model gives.
    """

    tasks: int = 1
    output_kind: OutputKind = "logits"

    def on(self, queries: Tensor) -> PlainGroup:
        """Return the code of one query [1, …].

        Raises:
            ServiceError: If there are several.
        """
        if len(queries) != 1:
            raise ServiceError(f"a group must be one query where nothing is coded, but got {len(queries)}")
        return PlainGroup(query=queries[0], bears=(0,) * self.tasks, output_kind=self.output_kind)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainGroup:
    """One query, and what its answers mean."""

    query: Tensor
    bears: tuple[int, ...]
    output_kind: OutputKind

    def coded(self, task: int) -> Tensor:  # noqa: ARG002 - all get the same
        return self.query

    def own(self, answer: Tensor) -> Tensor:
        return to_probabilities(answer, self.output_kind)

    def read(self, answers: Tensor, tasks: Sequence[int]) -> Estimates:  # noqa: ARG002
        """Refuse to decode.

        Raises:
            ServiceError: Always.
        """
        raise ServiceError("nothing can be decoded where nothing is coded")
