"""Loads keep to their times, and latencies count from when a query should have been sent."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.errors import OverloadError, ServiceError
from nercc_tune.service.answered import Answered
from nercc_tune.service.asking import (
    Questions,
    Session,
    answers_without_coding,
    measured,
    read_arrivals,
    send,
    stretched,
)
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.load import Load, poisson
from nercc_tune.service.measured import SOURCES

_ROUNDS = 5


def _questions(count: int = 4) -> Questions:
    labels = np.arange(count, dtype=np.int64)
    return Questions(queries=torch.eye(count), plain=labels, labels=labels)


def _session(times: list[float], *, warm_up: float = 0.0) -> Session:
    load = Load(rate=10.0, arrivals_s=np.array(times))
    return Session(load=load, picks=np.arange(len(times)) % 4, warm_up=warm_up)


class _Service:
    """Answers with the query itself, after what the test says."""

    def __init__(self, *, stall_s: float = 0.0, refuses: int | None = None) -> None:
        self.asked_at: list[float] = []
        self._stall_s = stall_s
        self._refuses = refuses

    async def ask(self, query: Tensor) -> Answered:
        self.asked_at.append(time.perf_counter())
        if int(query.argmax()) == self._refuses:
            raise OverloadError("too many queries wait; ask later.")
        if len(self.asked_at) == 1:
            time.sleep(self._stall_s)  # the whole process stands still, the sender too
        return Answered(probabilities=query, source=Source.OWN, waited_for=1, workers=1, seconds=0.0)


def test_a_seed_gives_the_same_questions_and_another_one_others() -> None:
    load = poisson(50.0, 100, seed=0)
    sessions = [Session.drawn(load, questions=7, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(sessions[0].picks, sessions[1].picks)
    assert not np.array_equal(sessions[0].picks, sessions[2].picks)
    assert set(sessions[0].picks) == set(range(7))


def test_a_trace_is_stretched_to_a_rate() -> None:
    load = stretched(np.array([5.0, 6.0, 9.0, 13.0]), 8.0)
    assert load.arrivals_s.tolist() == [0.0, 0.0625, 0.25, 0.5]


@pytest.mark.alone
def test_queries_are_sent_at_their_times() -> None:
    off: list[float] = []
    while len(off) < _ROUNDS and min(off, default=1.0) > 0.02:  # others on the machine delay some rounds
        service, session = _Service(), _session([0.0, 0.05, 0.1, 0.2])
        seen = asyncio.run(send(service, session, _questions()))
        assert (seen.late_s > -0.002).all()
        sent = np.array(service.asked_at) - service.asked_at[0]
        off.append(float(abs(sent - session.load.arrivals_s).max()))
    assert min(off) <= 0.02


def test_a_stall_is_in_the_latency_of_all_that_should_have_been_sent_meanwhile() -> None:
    seen = asyncio.run(send(_Service(stall_s=0.3), _session([0.0, 0.1, 0.2, 0.6]), _questions()))
    assert (seen.latency_s[:3] >= np.array([0.3, 0.2, 0.1]) - 1e-3).all()
    assert (seen.late_s[1:3] >= np.array([0.2, 0.1]) - 1e-3).all()
    assert seen.latency_s[3] < 0.1


def test_refusals_are_counted_with_their_reason() -> None:
    questions, session = _questions(), _session([0.0, 0.01, 0.02, 0.03, 0.04])
    seen = asyncio.run(send(_Service(refuses=1), session, questions))
    assert seen.given.tolist() == [0, -1, 2, 3, 0]
    assert seen.refusals == ("too many queries wait; ask later.",)
    result = measured(seen, session, questions, scheme="plain", tally=Tally())
    assert result.is_answered.tolist() == [True, False, True, True, True]
    assert result.agrees is not None
    assert result.agrees.tolist() == [True, False, True, True, True]


def test_the_warm_up_is_left_out() -> None:
    questions, session = _questions(), _session([0.0, 0.01, 0.02, 0.03], warm_up=0.5)
    seen = asyncio.run(send(_Service(), session, questions))
    result = measured(seen, session, questions, scheme="plain", tally=Tally())
    assert result.latency_s.tolist() == seen.latency_s[2:].tolist()
    assert result.sources.tolist() == [SOURCES.index(Source.OWN)] * 2
    assert result.seconds == pytest.approx(seen.ended_s - 0.02)


def test_right_and_agreeing_are_two_things() -> None:
    labels = np.array([0, 1, 2, 3])
    questions = Questions(queries=torch.eye(4), plain=np.array([0, 1, 0, 3]), labels=labels)
    session = _session([0.0, 0.0, 0.0, 0.0])
    seen = asyncio.run(send(_Service(), session, questions))
    result = measured(seen, session, questions, scheme="plain", tally=Tally())
    assert result.is_right is not None
    assert result.agrees is not None
    assert result.is_right.all()
    assert result.agrees.tolist() == [True, True, False, True]


def test_what_the_model_says_does_not_depend_on_the_chunks() -> None:
    model, queries = torch.nn.Linear(5, 3), torch.randn(11, 5)
    whole = model(queries).argmax(1).tolist()
    assert answers_without_coding(model, queries, chunk=4).tolist() == whole


def test_arrivals_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.txt"
    path.write_text("0.5\n1.5\n4\n")
    assert read_arrivals(path).tolist() == [0.5, 1.5, 4.0]
    for text, words in (
        ("2\n1\n", "ascending"),
        ("a\n", "one time a line"),
        ("1\n", "two or more"),
        ("1\nnan\n", "asc"),
    ):
        path.write_text(text)
        with pytest.raises(ServiceError, match=words):
            read_arrivals(path)
    with pytest.raises(ServiceError, match="cannot be read"):
        read_arrivals(tmp_path / "none.txt")


def test_what_cannot_be_asked_is_refused() -> None:
    load = Load(rate=1.0, arrivals_s=np.zeros(2))
    with pytest.raises(ValueError, match="as many as the arrivals"):
        Session(load=load, picks=np.zeros(1, dtype=np.int64))
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        Session(load=load, picks=np.zeros(2, dtype=np.int64), warm_up=1.0)
    with pytest.raises(ValueError, match="as many each"):
        Questions(queries=torch.eye(2), plain=np.zeros(2, dtype=np.int64), labels=np.zeros(1, dtype=np.int64))
    for times, rate in (([1.0], 1.0), ([1.0, 1.0], 1.0), ([0.0, 1.0], float("nan"))):
        with pytest.raises(ValueError, match="two or more"):
            stretched(np.array(times), rate)
