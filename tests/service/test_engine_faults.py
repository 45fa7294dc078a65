"""What codes and networks do wrong concerns those whose queries they were given, and nobody else."""

from __future__ import annotations

import asyncio

import pytest
import torch
from torch import Tensor

from nercc_tune.errors import NoAnswerError
from nercc_tune.service.answered import Answered
from nercc_tune.service.engine import Engine
from nercc_tune.service.local_workers import LocalWorkers
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.schemes import plain
from tests.service.doubles import Altered, ask_all, distinct, exact, is_answer, is_empty, same


@pytest.mark.parametrize(
    ("fails", "gives_own", "message"),
    [
        ("on", True, "the queries of a group cannot be encoded: no code"),
        ("bears", True, "cannot be encoded: the code has 0 tasks, and the scheme 7"),
        ("coded", True, "there is no answer: too few workers gave an answer"),
        ("own", True, "the workers' answers cannot be read: no code"),
        ("read", False, "the workers' answers cannot be read: no code"),
        ("size", False, r"cannot be read: estimates must be of 3 queries, but got \[2\]"),
        ("who", False, "the workers' answers cannot be read: 99"),
    ],
)
def test_a_code_that_fails_concerns_its_group_alone(fails: str, gives_own: bool, message: str) -> None:
    scheme, codec = exact(gives_own=gives_own)
    queries = distinct(9)
    queries[4] = torch.full_like(queries[4], 2.0)

    async def serve() -> list[Answered | BaseException]:
        engine = Engine(scheme, Altered(codec, fails=fails), LocalWorkers([same] * 7, is_inline=True))
        answers = await ask_all(engine, queries)
        again = await ask_all(engine, distinct(3, seed=9))
        assert all(is_answer(answer, query) for answer, query in zip(again, distinct(3, seed=9), strict=True))
        assert is_empty(engine)
        await engine.close()
        return answers

    answers = asyncio.run(serve())
    for at in (0, 1, 2, 6, 7, 8):
        assert is_answer(answers[at], queries[at])
    errors = [answer for answer in answers[3:6] if isinstance(answer, NoAnswerError)]
    assert errors
    for error in errors:
        with pytest.raises(NoAnswerError, match=message):
            raise error


def test_a_network_that_fails_or_answers_nonsense_is_no_answer() -> None:
    def fail(_: Tensor) -> Tensor:
        raise RuntimeError("no network")

    async def serve() -> Engine:
        networks = [fail, lambda queries: queries[None], same]
        engine = Engine(plain(3), PlainCodec(output_kind="probabilities"), LocalWorkers(networks, is_inline=True))
        answers = await ask_all(engine, distinct(1))
        assert is_answer(answers[0], distinct(1)[0])
        await engine.close()
        return engine

    assert [worker.lost for worker in asyncio.run(serve()).status.workers] == [1, 1, 0]
