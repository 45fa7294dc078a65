"""The engine on the event loop that Ray Serve runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.service.answered import Answered
from nercc_tune.service.engine import Engine
from tests.service.doubles import FlakyWorkers, ask_all, distinct, is_answer, schemes


@pytest.mark.parametrize("name", schemes())
def test_what_is_due_at_once_is_done_on_uvloop(name: str) -> None:
    """Its handles do not say when they are due where that is now."""
    uvloop = pytest.importorskip("uvloop")
    scheme, codec, meant = schemes()[name]

    async def serve() -> list[Answered | BaseException]:
        workers = FlakyWorkers(seed=0, dies=0, lies=0)
        engine = Engine(replace(scheme, max_wait_s=0.0), codec, workers, timeout_s=30.0)
        answers = []
        for start in range(0, 20, 4):
            answers += await ask_all(engine, distinct(20)[start : start + 4])
        await engine.close()
        return answers

    for answer, query in zip(uvloop.run(serve()), distinct(20), strict=True):
        assert is_answer(answer, meant(query))
