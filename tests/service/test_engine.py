"""Each query gets its own answer or a clear error, whatever workers, codes and callers do, and nothing is kept."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import DistrustingCode, NerccCode, node_set
from nercc_tune.errors import NoAnswerError, OverloadError, ServiceError
from nercc_tune.records import Distrust, from_json, to_json
from nercc_tune.service.answered import Answered
from nercc_tune.service.code_codec import CodeCodec, bears_of
from nercc_tune.service.commands import Source
from nercc_tune.service.engine import Engine
from nercc_tune.service.local_workers import LocalWorkers
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.rules import Answers, Deadline
from nercc_tune.service.schemes import coded, plain
from nercc_tune.service.status import ServiceStatus
from tests.service.doubles import (
    Altered,
    FlakyWorkers,
    SilentWorkers,
    ask_all,
    distinct,
    exact,
    is_answer,
    is_empty,
    parity,
    same,
    schemes,
)


@pytest.mark.parametrize("name", schemes())
@pytest.mark.parametrize("seed", range(3))
def test_each_query_gets_its_own_answer_or_an_error_whatever_workers_do(name: str, seed: int) -> None:
    scheme, codec, meant = schemes()[name]
    queries = distinct(61, seed=seed)  # not a multiple of a group

    async def serve() -> tuple[list[Answered | BaseException], Engine]:
        engine = Engine(scheme, codec, FlakyWorkers(seed=seed), timeout_s=0.2)
        answers = []
        for start in range(0, len(queries), 20):
            answers += await ask_all(engine, queries[start : start + 20])
        await engine.close()
        return answers, engine

    answers, engine = asyncio.run(serve())
    answered = [answer for answer in answers if isinstance(answer, Answered)]
    assert all(isinstance(answer, Answered | NoAnswerError) for answer in answers)
    assert len(answered) > 50
    for query, answer in zip(queries, answers, strict=True):
        assert isinstance(answer, NoAnswerError) or is_answer(answer, meant(query))
    status = engine.status
    assert sum(status.tally.replies.values()) + status.tally.refused == len(queries)
    assert sum(worker.lost for worker in status.workers) == status.tally.lost > 0
    assert is_empty(engine)


def test_an_answer_says_how_it_came_about() -> None:
    async def serve() -> list[Answered | BaseException]:
        scheme, codec = exact(rule=Answers(count=4))
        engine = Engine(scheme, codec, SilentWorkers(silent=[0, 1, 2]))
        answers = await ask_all(engine, distinct(3))
        await engine.close()
        return answers

    for answer, query in zip(asyncio.run(serve()), distinct(3), strict=True):
        assert isinstance(answer, Answered)
        assert torch.allclose(answer.probabilities, query)
        assert answer.label == int(query.argmax())
        assert (answer.workers, answer.is_padded, answer.suspects) == (7, False, ())
        if answer.source is Source.DECODED:
            assert answer.waited_for == 4
            assert answer.expected_error is None
        else:
            assert answer.waited_for >= 1
            assert answer.expected_error == 0


def test_a_group_is_read_once_for_all_its_queries() -> None:
    scheme, codec = exact(rule=Answers(count=4), gives_own=False)
    counting = Altered(codec)

    async def serve() -> list[Answered | BaseException]:
        engine = Engine(scheme, counting, LocalWorkers([same] * 7, is_inline=True))
        answers = await ask_all(engine, distinct(6))
        await engine.close()
        return answers

    answers = asyncio.run(serve())
    assert all(is_answer(answer, query) for answer, query in zip(answers, distinct(6), strict=True))
    assert counting.reads == 2


def test_queries_that_make_no_full_group_are_padded() -> None:
    async def serve() -> Answered:
        engine = Engine(*parity(), LocalWorkers([same] * 7, is_inline=True))
        answered = await engine.ask(distinct(1)[0])
        await engine.close()
        assert engine.status.tally.padded == 1
        return answered

    answered = asyncio.run(serve())
    assert answered.is_padded
    assert torch.allclose(answered.probabilities, distinct(1)[0].softmax(-1))


def test_too_many_queries_are_refused_at_once_and_those_that_wait_get_theirs() -> None:
    async def serve() -> tuple[list[Answered | BaseException], Engine]:
        engine = Engine(
            plain(2), PlainCodec(output_kind="probabilities"), FlakyWorkers(seed=0, dies=0, lies=0), limit=5
        )
        answers = await ask_all(engine, distinct(9))
        await engine.close()
        return answers, engine

    answers, engine = asyncio.run(serve())
    assert all(is_answer(answer, query) for answer, query in zip(answers[:5], distinct(9), strict=False))
    assert all(isinstance(answer, OverloadError) for answer in answers[5:])
    assert str(answers[5]) == "5 queries wait, which is the limit; ask again later."
    assert engine.status.overloads == 4


def test_a_query_that_nobody_answers_is_refused_in_time() -> None:
    async def serve() -> Engine:
        engine = Engine(plain(1), PlainCodec(), SilentWorkers(silent=[0]), timeout_s=0.02)
        for query in distinct(2):
            with pytest.raises(NoAnswerError, match="there is no answer: no answer in time; ask again"):
                await engine.ask(query)
        assert is_empty(engine)
        await engine.close()
        return engine

    assert [recent.source for recent in asyncio.run(serve()).status.recent] == [None, None]


def test_what_waits_is_answered_before_the_end_and_nothing_new_is_taken() -> None:
    async def serve() -> None:
        workers = FlakyWorkers(seed=0, dies=0, lies=0)
        engine = Engine(*parity(), workers)
        asked = [asyncio.ensure_future(engine.ask(query)) for query in distinct(4)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(engine.close(1.0))
        await asyncio.sleep(0)
        with pytest.raises(ServiceError, match="the service is stopping and takes no more queries"):
            await engine.ask(distinct(1)[0])
        answers = await asyncio.gather(*asked)
        await closing
        assert all(is_answer(answer, query.softmax(-1)) for answer, query in zip(answers, distinct(4), strict=True))
        assert workers.is_closed
        assert engine.status.is_closing

    asyncio.run(serve())


def test_who_has_no_answer_at_the_end_is_told() -> None:
    async def serve() -> None:
        engine = Engine(plain(1), PlainCodec(), SilentWorkers(silent=[0]))
        asked = [asyncio.ensure_future(engine.ask(query)) for query in distinct(2)]
        await asyncio.sleep(0)
        await engine.close(0.01)
        for task in asked:
            with pytest.raises(NoAnswerError, match="the service stopped before there was an answer"):
                await task
        assert is_empty(engine)
        assert not engine._tasks

    asyncio.run(serve())


@pytest.mark.parametrize("name", schemes())
def test_no_tensor_is_kept_when_all_is_answered(name: str) -> None:
    scheme, codec, _ = schemes()[name]
    kept: list[weakref.ref[Tensor]] = []

    async def ask(engine: Engine, query: Tensor) -> None:
        kept.append(weakref.ref(query))
        kept.append(weakref.ref((await engine.ask(query)).probabilities))

    async def serve() -> Engine:
        engine = Engine(scheme, codec, FlakyWorkers(seed=1, dies=0.1, lies=0))
        await asyncio.gather(*(ask(engine, query.clone()) for query in distinct(30)))
        while engine._tasks:
            await asyncio.sleep(0.005)
        gc.collect()
        assert not [1 for each in kept if each() is not None]
        assert not engine._front._groups
        await engine.close()
        return engine

    assert is_empty(asyncio.run(serve()))


def test_nothing_piles_up_while_a_worker_is_gone_for_long() -> None:
    async def serve() -> None:
        scheme, codec = exact(rule=Answers(count=4))
        engine = Engine(scheme, codec, SilentWorkers(dead=[3], silent=[5]))
        for start in range(0, 90, 3):
            answers = await ask_all(engine, distinct(90)[start : start + 3])
            assert all(isinstance(answer, Answered) for answer in answers)
        assert is_empty(engine)
        assert len(engine._front._groups) <= 3
        assert [worker.worker for worker in engine.status.workers if worker.is_away] == [3]
        await engine.close()

    asyncio.run(serve())


def test_who_goes_away_leaves_nothing_and_the_others_get_theirs() -> None:
    async def serve() -> None:
        engine = Engine(*exact(), FlakyWorkers(seed=2, dies=0, lies=0))
        asked = [asyncio.ensure_future(engine.ask(query)) for query in distinct(7)]
        await asyncio.sleep(0)
        asked[1].cancel()  # sent
        asked[6].cancel()  # gathering
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for at, (answer, query) in enumerate(zip(answers, distinct(7), strict=True)):
            assert isinstance(answer, asyncio.CancelledError) if at in (1, 6) else is_answer(answer, query)
        while engine.status.waiting:
            await asyncio.sleep(0.005)
        assert is_empty(engine)
        await engine.close()

    asyncio.run(serve())


def test_a_worker_that_gives_an_old_answer_is_named() -> None:
    code = DistrustingCode(
        NerccCode(node_set("uniform", queries=4, workers=12), lambda_enc=0.0, lambda_dec=1e-6),
        Distrust(kind="residuals", level=3.0, most=2),
    )
    scheme = coded(4, bears_of(code), rule=Answers(count=12), gives_own=False)
    codec = CodeCodec(code=code, decode_space="probabilities", output_kind="probabilities")
    networks = [same] * 12
    networks[7] = lambda queries: torch.full_like(queries, 5.0)

    async def serve() -> tuple[list[Answered | BaseException], Engine]:
        engine = Engine(scheme, codec, LocalWorkers(networks, is_inline=True))
        steps = torch.linspace(0, 1, 4, dtype=torch.float64)[:, None]
        answers = await ask_all(engine, list(torch.cat([steps, 1 - steps], 1)))
        await engine.close()
        return answers, engine

    answers, engine = asyncio.run(serve())
    assert all(isinstance(answer, Answered) and answer.suspects == (7,) for answer in answers)
    assert [worker.suspected for worker in engine.status.workers] == [0] * 7 + [1] + [0] * 4


def test_queries_that_would_spoil_others_are_refused() -> None:
    async def serve() -> None:
        engine = Engine(*exact(), LocalWorkers([same] * 7, is_inline=True), query_shape=(5,))
        with pytest.raises(ValueError, match="`query` must be finite, but got a NaN or an infinity"):
            await engine.ask(torch.full((5,), torch.nan))
        with pytest.raises(ValueError, match=r"`query` must be of shape \(5,\), but got \(4,\)"):
            await engine.ask(torch.zeros(4))
        await engine.close()
        await engine.close()

    asyncio.run(serve())
    with pytest.raises(ValueError, match="`limit` must be at least a group of 3 queries, but got 2"):
        Engine(*exact(), LocalWorkers([same] * 7, is_inline=True), limit=2)


def test_the_deadline_comes_though_nothing_happens() -> None:
    async def serve() -> list[Answered | BaseException]:
        scheme, codec = exact(rule=Deadline(seconds=0.02, least=3, count=7), gives_own=False)
        engine = Engine(scheme, codec, SilentWorkers(silent=[1, 4]))
        answers = await ask_all(engine, distinct(3))
        await engine.close()
        return answers

    for answer, query in zip(asyncio.run(serve()), distinct(3), strict=True):
        assert is_answer(answer, query)
        assert isinstance(answer, Answered)
        assert answer.waited_for == 5
        assert answer.seconds >= 0.019


def test_how_it_stands_is_plain_json() -> None:
    async def serve() -> ServiceStatus:
        engine = Engine(*exact(), FlakyWorkers(seed=3))
        await ask_all(engine, distinct(12))
        status = engine.status
        await engine.close()
        return status

    status = asyncio.run(serve())
    assert from_json(ServiceStatus, json.loads(json.dumps(to_json(status)))) == status
    assert len(status.recent) == 12
    assert sum(worker.tasks for worker in status.workers) > 0
