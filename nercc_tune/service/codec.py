"""The tensors of a scheme: what workers are sent, and how answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimates:
    """What the answers to a group say of its queries.

    Attributes:
        probabilities: [K, c] of all queries of the group.
        suspects: Tasks whose answers were left out or distrusted.
        expected_errors: [K] the squared error that each is expected to make; None where nothing is known of it.
    """

    probabilities: Tensor
    suspects: tuple[int, ...] = ()
    expected_errors: tuple[float, ...] | None = None


class GroupCodec(Protocol):
    """The code of one group."""

    @property
    def bears(self) -> Sequence[int | None]:
        """Of each task, the query of the group, in the order they came, that it is a copy of; None for a mix."""

    def coded(self, task: int) -> Tensor:
        """Return what the worker of a task is sent […]."""

    def own(self, answer: Tensor) -> Tensor:
        """Return the probabilities [c] that a worker's answer [c] to a plain query means."""

    def read(self, answers: Tensor, tasks: Sequence[int]) -> Estimates:
        """Return what the answers [F, c] to the tasks say.

        Raises:
            ServiceError: If they are too few, or none is finite.
        """


class Codec(Protocol):
    """Makes the code of each group."""

    def on(self, queries: Tensor) -> GroupCodec:
        """Return the code of a group of queries [K, …]."""
