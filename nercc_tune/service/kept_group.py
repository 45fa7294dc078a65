"""What an engine keeps of a group while something of it is unanswered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nercc_tune.errors import NoAnswerError, ServiceError
from nercc_tune.service.codec import Estimates, GroupCodec
from nercc_tune.text.one_line import one_line

__all__ = ["KeptGroup"]


class KeptGroup:
    """The code of a group, and the answers that are there.

    Attributes:
        bears: Of each task, the query of the group that it is a copy of.
        unanswered: Its queries, as submitted, that wait for an answer.
        is_padded: Whether it is not full.
        asked: The workers that were given a task so far.
        ran_by: Of each task that was answered, the worker.

    Args:
        codec: Its code.
        queries: As submitted, K of them; the last is there again where it is padded.
        tasks: How many the scheme has.

    Raises:
        ServiceError: If the code has another number of them.
    """

    def __init__(self, codec: GroupCodec, queries: Sequence[int], *, tasks: int) -> None:
        self.bears = tuple(codec.bears)
        if len(self.bears) != tasks:
            raise ServiceError(f"the code has {len(self.bears)} tasks, and the scheme {tasks}")
        self.unanswered = set(queries)
        self.is_padded = len(self.unanswered) < len(queries)
        self.asked: set[int] = set()
        self.ran_by: dict[int, int] = {}
        self._codec = codec
        self._size = len(queries)
        self._answers: dict[int, Tensor] = {}
        self._read: tuple[tuple[int, ...], Estimates | NoAnswerError] | None = None

    @property
    def arrived(self) -> int:
        """How many answers are there."""
        return len(self._answers)

    def coded(self, task: int) -> Tensor:
        """Return what the worker of a task is sent."""
        return self._codec.coded(task)

    def take(self, task: int, answer: Tensor, *, worker: int) -> None:
        """Keep a worker's answer to a task."""
        self._answers[task] = answer
        self.ran_by[task] = worker

    def own(self, task: int) -> Tensor:
        """Return the probabilities [c] that the answer to a task means.

        Raises:
            NoAnswerError: If the codec fails.
        """
        try:
            return self._codec.own(self._answers[task])
        except Exception as error:
            raise _unreadable(error) from error

    def has_read(self, tasks: tuple[int, ...]) -> bool:
        """Return whether these answers are those that were read last."""
        return self._read is not None and self._read[0] == tasks

    def estimates(self, tasks: tuple[int, ...]) -> Estimates:
        """Return what the answers to some tasks say of all queries, with suspects by worker; they are read once.

        Raises:
            NoAnswerError: If the codec fails.
        """
        if self._read is None or self._read[0] != tasks:
            self._read = tasks, self._try_to_read(tasks)
        read = self._read[1]
        if isinstance(read, NoAnswerError):
            raise read
        return read

    def _try_to_read(self, tasks: tuple[int, ...]) -> Estimates | NoAnswerError:
        try:
            return self._checked(self._codec.read(torch.stack([self._answers[task] for task in tasks]), tasks))
        except Exception as error:  # noqa: BLE001 - whatever a code does must not end the service
            return _unreadable(error)

    def _checked(self, read: Estimates) -> Estimates:
        counts = {len(read.probabilities), *(() if read.expected_errors is None else (len(read.expected_errors),))}
        if counts != {self._size}:
            raise ServiceError(f"estimates must be of {self._size} queries, but got {sorted(counts)}")
        return replace(read, suspects=tuple(sorted({self.ran_by[task] for task in read.suspects})))


def _unreadable(error: Exception) -> NoAnswerError:
    return NoAnswerError(f"the workers' answers cannot be read: {one_line(error)}")
