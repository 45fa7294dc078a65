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
from nercc_tune.service.measured import SOURCES, Measured
from nercc_tune.text.one_line import one_line

_LEAD_S = 0.05  # from the first moment of a load to its first query, so that nothing is late from the start
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
class Load:
    """When which query is sent.

    Attributes:
        rate: Queries per second, on the average.
        arrivals_s: [Q] ascending, in seconds.
        asked: [Q] which of the questions.
        warm_up_s: Queries before this time are sent, and left out.
        seconds: When the load ends.

    Raises:
        ValueError: If the times are not ascending from 0 on, or none is left after the warm-up.
    """

    rate: float
    arrivals_s: NDArray[np.float64]
    asked: NDArray[np.int64]
    warm_up_s: float
    seconds: float

    def __post_init__(self) -> None:
        times = self.arrivals_s
        if len(times) != len(self.asked):
            raise ValueError(f"`asked` must be as many as the arrivals, {len(times)}, but got {len(self.asked)}.")
        if not (np.isfinite(times).all() and (np.diff(times, prepend=0.0) >= 0).all()):
            raise ValueError("`arrivals_s` must be finite and ascending, from 0 on.")
        if not 0 <= self.warm_up_s < self.seconds < math.inf:
            raise ValueError(
                f"`0 <= warm_up_s < seconds` must hold, but got {self.warm_up_s:g} and {self.seconds:g} s."
            )
        if not self.is_measured.any():
            raise ValueError(f"`arrivals_s` must hold a query after the warm-up of {self.warm_up_s:g} s, but none is.")

    @property
    def is_measured(self) -> NDArray[np.bool_]:
        """[Q] whether a query is measured, and not part of the warm-up."""
        measured: NDArray[np.bool_] = self.arrivals_s >= self.warm_up_s
        return measured


def poisson_load(rate: float, seconds: float, *, warm_up_s: float, questions: int, seed: int) -> Load:
    """Return a load whose queries come independently of each other, each one drawn from all questions.

    Args:
        rate: Queries per second.
        seconds: How long the load lasts, warm-up included.
        warm_up_s: How long the warm-up is.
        questions: How many can be asked.
        seed: Of the times and of the questions.

    Raises:
        ValueError: If the rate or the time is not positive and finite, or as for `Load`.
    """
    if not (0 < rate < math.inf and 0 < seconds < math.inf):
        raise ValueError(f"`rate` and `seconds` must be positive and finite, but got {rate:g} and {seconds:g}.")
    rng = np.random.default_rng(seed)
    count = rng.poisson(rate * seconds)
    arrivals = np.sort(rng.uniform(0.0, seconds, count))  # a Poisson process, given its count
    asked = rng.integers(questions, size=count)
    return Load(rate=rate, arrivals_s=arrivals, asked=asked, warm_up_s=warm_up_s, seconds=seconds)


def trace_load(arrivals_s: NDArray[np.float64], *, rate: float, warm_up_s: float, questions: int, seed: int) -> Load:
    """Return a load with the times of a trace, stretched to a rate.

    Args:
        arrivals_s: [Q ≥ 2] ascending, in any unit: what counts is how they are spread.
        rate: Queries per second, on the average.
        warm_up_s: As of `Load`.
        questions: How many can be asked.
        seed: Of the questions.

    Raises:
        ValueError: If the times are not ascending over some time, or as for `Load`.
    """
    span = float(arrivals_s[-1] - arrivals_s[0]) if len(arrivals_s) > 1 else 0.0
    if not (0 < span < math.inf and 0 < rate < math.inf):
        raise ValueError("`arrivals_s` must be two or more times that ascend, and `rate` positive and finite.")
    seconds = len(arrivals_s) / rate
    times = (arrivals_s - arrivals_s[0]) * (seconds / span)
    asked = np.random.default_rng(seed).integers(questions, size=len(times))
    return Load(rate=rate, arrivals_s=times, asked=asked, warm_up_s=warm_up_s, seconds=seconds)


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
    """What a load saw, warm-up included.

    Attributes:
        latency_s: [Q] from the moment a query should have been sent, to its answer or refusal.
        sources: [Q] as places in `SOURCES`.
        given: [Q] the classes that were answered; −1 for a refusal.
        late_s: [Q] how much later than it should have been a query was sent: the generator's own fault.
        ended_s: When the last answer came, in seconds since the load began.
        refusals: Why queries were refused, each reason once.
    """

    latency_s: NDArray[np.float64]
    sources: NDArray[np.int8]
    given: NDArray[np.int64]
    late_s: NDArray[np.float64]
    ended_s: float
    refusals: tuple[str, ...] = ()


class _Notes:
    def __init__(self, asked: Asked, load: Load, questions: Questions) -> None:
        self._asked = asked
        self._load = load
        self._questions = questions
        self._began = time.perf_counter() + _LEAD_S
        count = len(load.arrivals_s)
        self._latency_s = np.zeros(count)
        self._sources = np.full(count, SOURCES.index(None), dtype=np.int8)
        self._given = np.full(count, _UNKNOWN, dtype=np.int64)
        self._late_s = np.zeros(count)
        self._refusals: dict[str, None] = {}

    @property
    def now(self) -> float:
        """Seconds since the load began."""
        return time.perf_counter() - self._began

    async def ask(self, number: int) -> None:
        due = float(self._load.arrivals_s[number])
        self._late_s[number] = self.now - due
        try:
            answered = await self._asked.ask(self._questions.queries[self._load.asked[number]])
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


async def send(asked: Asked, load: Load, questions: Questions) -> Seen:
    """Send each query at its time, whatever became of those before it, and wait for all answers.

    So a service that stalls is asked all the same, and what was asked meanwhile counts from when it should have been
    sent: latencies are not cut short by a sender that waits ("coordinated omission").

    Raises:
        NoAnswerError: If a minute after the last query some are without an answer or a refusal.
    """
    notes = _Notes(asked, load, questions)
    tasks = []
    for number, due in enumerate(load.arrivals_s):
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


def measured(seen: Seen, load: Load, questions: Questions, *, scheme: str, tally: Tally) -> Measured:
    """Return what a load saw after its warm-up.

    Args:
        seen: By `send`.
        load: The same.
        questions: The same.
        scheme: Its name.
        tally: What the front did.
    """
    kept = load.is_measured
    asked, given = load.asked[kept], seen.given[kept]
    return Measured(
        scheme=scheme,
        rate=load.rate,
        seconds=max(load.seconds, seen.ended_s) - load.warm_up_s,
        latency_s=seen.latency_s[kept],
        sources=seen.sources[kept],
        tally=tally,
        is_right=given == questions.labels[asked],
        agrees=given == questions.plain[asked],
    )


def answers_without_coding(model: torch.nn.Module, queries: Tensor, *, chunk: int = 256) -> NDArray[np.int64]:
    """Return the class that a model gives each of some queries [n, …]."""
    with torch.inference_mode():
        labels = [model(part).argmax(1) for part in queries.split(chunk)]
    answered: NDArray[np.int64] = torch.cat(labels).numpy()
    return answered
