"""How often each worker's answers were distrusted, and whom to drain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index
from threading import Lock
from typing import Any, Literal, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from nercc_tune.coding.arrived import Arrived, worker_numbers
from nercc_tune.records import Strict
from nercc_tune.serving.drain_test import DrainTest
from nercc_tune.text.one_line import one_line, show

__all__ = ["Suspicions", "WorkerRecord"]

_Schema = Literal["nercc-tune/suspicions/1"]
_MOST_ANSWERS = 2**62  # half of what an int64 counts


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """What is known of one worker, since the start or since it was replaced.

    Attributes:
        worker: Its number.
        answers: How many of its answers were decoded or left out.
        suspicions: How many of them were distrusted.
        evidence: How far the test is, 0 without an answer; it falls with every answer that is trusted.
        is_to_drain: Whether the evidence has ever been 1 or more.
    """

    worker: int
    answers: int
    suspicions: int
    evidence: float
    is_to_drain: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _State:
    """Arrays over the workers, which are replaced and never changed, so that readers need no lock."""

    answers: NDArray[np.int64]
    suspicions: NDArray[np.int64]
    known: NDArray[np.float64]
    is_to_drain: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class _KeptWorker(Strict):
    answers: int
    suspicions: int
    known: tuple[float, ...]
    is_to_drain: bool

    def __post_init__(self) -> None:
        if not 0 <= self.suspicions <= self.answers <= _MOST_ANSWERS:
            raise ValueError(f"`0 <= suspicions <= answers <= {_MOST_ANSWERS}` must hold")
        if not min(self.known, default=0) >= 0:
            raise ValueError("`known` must be at least 0")


@dataclass(frozen=True, kw_only=True)
class _Kept(Strict):
    schema: _Schema
    test: DrainTest
    workers: tuple[_KeptWorker, ...]

    def __post_init__(self) -> None:
        width = self.test.start(1).shape[1]
        if not self.workers or any(len(worker.known) != width for worker in self.workers):
            raise ValueError(f"`workers` must be at least one, each with {width} values in `known`")


_KEPT = TypeAdapter(_Kept)


class Suspicions:
    """The suspicions of N workers over time, with a test on when to drain one at a stated rate of false alarms.

    A healthy worker is distrusted now and then, a faulty one more often. `to_drain` names the workers of whom that is
    sure enough: of n answers of healthy workers, at most n / `gap` drain one, on average, and the mean number of
    answers until a healthy worker is drained is at least `gap`. That holds however often one looks, and however the
    workers' suspicions depend on each other; `DrainTest` says under which condition, and why. A worker stays in
    `to_drain` until it is reset.

    All methods may be called from several threads at once: writers take turns, readers see whole groups.

    Args:
        workers: N.
        false_alarms: The share of a healthy worker's answers that are distrusted, at most; in (0, 1).
        gap: The mean number of answers of healthy workers between two false drains, at least.
        faulty: The least share of distrusted answers that must be found; above `false_alarms`, below 1.

    Raises:
        ValueError: If `workers` is not at least 1, or a share or `gap` is out of range.

    Example:
        >>> suspicions = Suspicions(4, false_alarms=0.001)
        >>> for _ in range(3):  # estimates, suspects = code.decode(answers, arrived, return_suspects=True)
        ...     suspicions.record(arrived=[0, 2, 3], suspects=(2,))
        >>> suspicions.to_drain
        (2,)
        >>> suspicions.reset(2)
        >>> suspicions.to_drain
        ()
    """

    def __init__(self, workers: int, *, false_alarms: float, gap: float = 1_000_000, faulty: float = 0.1) -> None:
        if not workers >= 1:
            raise ValueError(f"`workers` must be at least 1, but got {workers}.")
        self.workers = workers
        self.test = DrainTest(false_alarms=false_alarms, gap=gap, faulty=faulty)
        self._lock = Lock()
        self._state = _State(
            answers=np.zeros(workers, np.int64),
            suspicions=np.zeros(workers, np.int64),
            known=self.test.start(workers),
            is_to_drain=np.zeros(workers, np.bool_),
        )

    def record(self, arrived: Arrived, suspects: Sequence[int] | Tensor | NDArray[np.integer[Any]]) -> None:
        """Take in one decoded group; workers that did not arrive are left as they are.

        Args:
            arrived: Worker numbers, or a mask [N] of booleans, as they were given to `decode`.
            suspects: Numbers of the workers among them whose answers were distrusted, as `decode` returned them.

        Raises:
            ValueError: If no worker arrived, a number is unknown or repeats, or a suspect did not arrive.
        """
        numbers = worker_numbers(arrived, self.workers)
        if numbers.ndim != 1:
            raise ValueError(f"`arrived` must be of one group, but got shape {tuple(numbers.shape)}.")
        has_arrived = np.zeros(self.workers, np.bool_)
        has_arrived[numbers.numpy()] = True
        is_suspected = _mask_of(suspects, has_arrived)
        with self._lock:
            self._state = self._after(self._state, has_arrived, is_suspected)

    def reset(self, worker: SupportsIndex) -> None:
        """Forget all about a worker, because it was repaired or replaced.

        Raises:
            ValueError: If there is no such worker.
        """
        if isinstance(worker, bool) or not isinstance(worker, SupportsIndex) or not 0 <= index(worker) < self.workers:
            raise ValueError(f"`worker` must be a number from 0 to {self.workers - 1}, but got {show(worker)}.")
        is_kept = np.arange(self.workers) != index(worker)
        with self._lock:
            state = self._state
            self._state = _State(
                answers=state.answers * is_kept,
                suspicions=state.suspicions * is_kept,
                known=np.where(is_kept[:, None], state.known, self.test.start(self.workers)),
                is_to_drain=state.is_to_drain & is_kept,
            )

    @property
    def counts(self) -> tuple[WorkerRecord, ...]:
        """What is known of each worker, in their order."""
        state = self._state
        columns = (state.answers, state.suspicions, self.test.evidence(state.known), state.is_to_drain)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(
            WorkerRecord(worker=worker, answers=answers, suspicions=suspicions, evidence=evidence, is_to_drain=drain)
            for worker, (answers, suspicions, evidence, drain) in enumerate(rows)
        )

    @property
    def to_drain(self) -> tuple[int, ...]:
        """The numbers of the workers that should be drained, ascending."""
        return tuple(self._state.is_to_drain.nonzero()[0].tolist())

    def to_json(self) -> str:
        """Return all that is known as JSON text, from which `from_json` goes on exactly."""
        state = self._state
        columns = (state.answers, state.suspicions, state.known, state.is_to_drain)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        workers = tuple(
            _KeptWorker(answers=answers, suspicions=suspicions, known=tuple(known), is_to_drain=drain)
            for answers, suspicions, known, drain in rows
        )
        return _KEPT.dump_json(_Kept(schema="nercc-tune/suspicions/1", test=self.test, workers=workers)).decode()

    @classmethod
    def from_json(cls, text: str) -> Suspicions:
        """Go on from what `to_json` gave.

        Raises:
            ValueError: If the text is not JSON, of another schema, or a field is missing, unknown or impossible.
        """
        try:
            kept = _KEPT.validate_json(text, strict=True)
        except ValidationError as error:
            raise ValueError(_first_problem(error)) from error
        test, workers = kept.test, kept.workers
        made = cls(len(workers), false_alarms=test.false_alarms, gap=test.gap, faulty=test.faulty)
        made._state = _State(
            answers=np.array([worker.answers for worker in workers], np.int64),
            suspicions=np.array([worker.suspicions for worker in workers], np.int64),
            known=np.array([worker.known for worker in workers]),
            is_to_drain=np.array([worker.is_to_drain for worker in workers]),
        )
        return made

    def _after(self, state: _State, has_arrived: NDArray[np.bool_], is_suspected: NDArray[np.bool_]) -> _State:
        known = np.where(has_arrived[:, None], self.test.advance(state.known, is_suspected), state.known)
        return replace(
            state,
            answers=state.answers + has_arrived,
            suspicions=state.suspicions + is_suspected,
            known=known,
            is_to_drain=state.is_to_drain | (self.test.evidence(known) >= 1),
        )


def _mask_of(suspects: object, has_arrived: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which workers are suspects [N]."""
    is_suspected = np.zeros_like(has_arrived)
    try:
        numbers = torch.as_tensor(suspects)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"`suspects` must hold worker numbers, but got {show(suspects)}.") from error
    if numbers.numel() == 0:
        return is_suspected
    if numbers.ndim != 1 or numbers.is_floating_point() or numbers.dtype == torch.bool:
        raise ValueError(f"`suspects` must hold worker numbers, but got {show(suspects)}.")
    named: list[int] = numbers.tolist()
    strangers = sorted(set(named) - set(has_arrived.nonzero()[0].tolist()))
    if strangers:
        raise ValueError(f"`suspects` must be among the workers that arrived, but got {show(strangers)}.")
    if len(set(named)) < len(named):
        raise ValueError(f"`suspects` must name each worker once, but got {show(named)}.")
    is_suspected[named] = True
    return is_suspected


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = one_line(".".join(str(part) for part in first["loc"]))
    message = one_line(first["msg"].removeprefix("Value error, "))
    what = f"its field `{where}`" if where else "it"
    return f"`text` must be what `to_json` gave, but {what} is wrong: {message}."
