"""Sends queries at times that are fixed beforehand, and notes how long each took: an open-loop load generator."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.errors import NoAnswerError, ServiceError
from nercc_tune.service.answered import Answered
from nercc_tune.service.commands import Tally
from nercc_tune.service.load import Load
from nercc_tune.service.measured import SOURCES, Measured
from nercc_tune.text.one_line import one_line

_LEAD_S = 0.05  # from the first moment of a session to its first query, so that nothing is late from the start
_GRACE_S = 60.0  # after the last query; a service that is silent for longer will not answer any more
_UNKNOWN = -1


class Asked(Protocol):
    """Whatever answers queries: an engine in this process, or a service elsewhere."""

    async def ask(self, query: Tensor) -> Answered:
        """Return the answer to a query […].

        Raises:
            ServiceError: If it stays without one.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Questions:
    """What can be asked, and what should be answered.

    Attributes:
        queries: [n, …].
        plain: [n] the classes that the model gives without coding.
        labels: [n] the classes of the data.

    Raises:
        ValueError: If there are none, or not as many of each.
    """

    queries: Tensor
    plain: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        counts = len(self.queries), len(self.plain), len(self.labels)
        if not counts[0] or len(set(counts)) > 1:
            raise ValueError(f"`queries`, `plain` and `labels` must be one or more, as many each, but got {counts}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """Which questions are asked when.

    Attributes:
        load: When queries are sent.
        picks: [Q] which of the questions each is.
        warm_up: The share of queries, from the first on, that are sent and left out.

    Raises:
        ValueError: If there are not as many picks as arrivals, or not 0 ≤ warm_up < 1.
    """

    load: Load
    picks: NDArray[np.int64]
    warm_up: float = 0.1

    def __post_init__(self) -> None:
        if len(self.picks) != len(self.load.arrivals_s):
            raise ValueError(
                f"`picks` must be as many as the arrivals, {len(self.load.arrivals_s)}, but got {len(self.picks)}."
            )
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"`warm_up` must be in [0, 1), but got {self.warm_up}.")

    @classmethod
    def drawn(cls, load: Load, *, questions: int, seed: int, warm_up: float = 0.1) -> Session:
        """Draw a question for each arrival, with replacement."""
        picks = np.random.default_rng(seed).integers(questions, size=len(load.arrivals_s))
        return cls(load=load, picks=picks, warm_up=warm_up)

    @property
    def first(self) -> int:
        """The first query that is measured."""
        return int(self.warm_up * len(self.picks))


def stretched(arrivals_s: NDArray[np.float64], rate: float) -> Load:
    """Return a load with the times of a trace, in any unit, stretched to a rate: what counts is how they are spread.

    Raises:
        ValueError: If they are not two or more times that ascend over some time, or the rate is not positive.
    """
    span = float(arrivals_s[-1] - arrivals_s[0]) if len(arrivals_s) > 1 else 0.0
    if not (0 < span < math.inf and 0 < rate < math.inf):
        raise ValueError("`arrivals_s` must be two or more times that ascend, and `rate` positive and finite.")
    return Load(rate=rate, arrivals_s=(arrivals_s - arrivals_s[0]) * (len(arrivals_s) / rate / span))


def read_arrivals(path: Path) -> NDArray[np.float64]:
    """Read the times at which queries came, one a line.

    Raises:
        ServiceError: If the file cannot be read, or holds anything else.
    """
    try:
        times = np.loadtxt(path, dtype=np.float64, ndmin=1)
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"the arrivals `{path}` cannot be read ({one_line(error)}); give one time a line."
        ) from error
    if times.ndim != 1 or len(times) < 2 or not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise ServiceError(f"the arrivals `{path}` must be two or more ascending times, one a line.")
    return times


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a session saw, warm-up included.

    Attributes:
        latency_s: [Q] from the moment a query should have been sent, to its answer or refusal.
        sources: [Q] as places in `SOURCES`.
        given: [Q] the classes that were answered; −1 for a refusal.
        late_s: [Q] how much later than it should have been a query was sent: the generator's own fault.
        ended_s: When the last answer came, in seconds since the session began.
        refusals: Why queries were refused, each reason once.
    """

    latency_s: NDArray[np.float64]
    sources: NDArray[np.int8]
    given: NDArray[np.int64]
    late_s: NDArray[np.float64]
    ended_s: float
    refusals: tuple[str, ...] = ()


class _Notes:
    def __init__(self, asked: Asked, session: Session, questions: Questions) -> None:
        self._asked = asked
        self._session = session
        self._questions = questions
        self._began = time.perf_counter() + _LEAD_S
        count = len(session.picks)
        self._latency_s = np.zeros(count)
        self._sources = np.full(count, SOURCES.index(None), dtype=np.int8)
        self._given = np.full(count, _UNKNOWN, dtype=np.int64)
        self._late_s = np.zeros(count)
        self._refusals: dict[str, None] = {}

    @property
    def now(self) -> float:
        """Seconds since the session began."""
        return time.perf_counter() - self._began

    async def ask(self, number: int) -> None:
        due = float(self._session.load.arrivals_s[number])
        self._late_s[number] = self.now - due
        try:
            answered = await self._asked.ask(self._questions.queries[self._session.picks[number]])
        except ServiceError as error:
            self._refusals[str(error)] = None
        else:
            self._sources[number] = SOURCES.index(answered.source)
            self._given[number] = answered.label
        self._latency_s[number] = self.now - due

    def seen(self) -> Seen:
        return Seen(
            latency_s=self._latency_s,
            sources=self._sources,
            given=self._given,
            late_s=self._late_s,
            ended_s=self.now,
            refusals=tuple(self._refusals),
        )


async def send(asked: Asked, session: Session, questions: Questions) -> Seen:
    """Send each query at its time, whatever became of those before it, and wait for all answers.

    So a service that stalls is asked all the same, and what was asked meanwhile counts from when it should have been
    sent: latencies are not cut short by a sender that waits ("coordinated omission").

    Raises:
        NoAnswerError: If a minute after the last query some are without an answer or a refusal.
    """
    notes = _Notes(asked, session, questions)
    tasks = []
    for number, due in enumerate(session.load.arrivals_s):
        await asyncio.sleep(max(0.0, float(due) - notes.now))
        tasks.append(asyncio.create_task(notes.ask(number)))
    if tasks:
        _, silent = await asyncio.wait(tasks, timeout=_GRACE_S)
        for task in silent:
            task.cancel()
        if silent:
            raise NoAnswerError(
                f"{len(silent)} queries had neither an answer nor a refusal {_GRACE_S:g} s after the last was sent; "
                "give the service a timeout, or ask less."
            )
    for task in tasks:
        task.result()
    return notes.seen()


def measured(seen: Seen, session: Session, questions: Questions, *, scheme: str, tally: Tally) -> Measured:
    """Return what a session saw after its warm-up.

    Args:
        seen: By `send`.
        session: The same.
        questions: The same.
        scheme: Its name.
        tally: What the front did.
    """
    first = session.first
    picks, given = session.picks[first:], seen.given[first:]
    return Measured(
        scheme=scheme,
        rate=session.load.rate,
        seconds=seen.ended_s - float(session.load.arrivals_s[first]),
        latency_s=seen.latency_s[first:],
        sources=seen.sources[first:],
        tally=tally,
        is_right=given == questions.labels[picks],
        agrees=given == questions.plain[picks],
    )


def answers_without_coding(model: torch.nn.Module, queries: Tensor, *, chunk: int = 256) -> NDArray[np.int64]:
    """Return the class that a model gives each of some queries [n, …]."""
    with torch.inference_mode():
        labels = [model(part).argmax(1) for part in queries.split(chunk)]
    answered: NDArray[np.int64] = torch.cat(labels).numpy()
    return answered
