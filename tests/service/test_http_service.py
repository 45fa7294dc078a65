"""A service over HTTP: answers come back whole, and refusals as what they are."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
import torch

from nercc_tune.errors import NoAnswerError, OverloadError, ServiceError
from nercc_tune.service.answered import Answered
from nercc_tune.service.commands import Source
from nercc_tune.service.http_service import HttpService, http_service

aiohttp_web = pytest.importorskip("aiohttp.web")

_WHOLE = {
    "label": 1,
    "probabilities": [0.25, 0.75],
    "source": "decoded",
    "waited_for": 2,
    "workers": 3,
    "seconds": 0.5,
    "suspects": [2],
    "expected_error": 0.125,
    "is_padded": True,
}
Respond = Callable[[np.ndarray], tuple[int, object]]


@asynccontextmanager
async def _running(respond: Respond, *, health: int = HTTPStatus.OK) -> AsyncIterator[str]:
    async def predict(request: Any) -> Any:
        status, content = respond(np.load(io.BytesIO(await request.read()), allow_pickle=False))
        return aiohttp_web.json_response(content, status=status)

    async def healthz(_request: Any) -> Any:
        return aiohttp_web.json_response({}, status=health)

    app = aiohttp_web.Application()
    app.router.add_post("/predict", predict)
    app.router.add_get("/healthz", healthz)
    runner = aiohttp_web.AppRunner(app)
    await runner.setup()
    site = aiohttp_web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


def _ask(respond: Respond, *, health: int = HTTPStatus.OK) -> Answered:
    async def run() -> Answered:
        async with _running(respond, health=health) as url, http_service(url) as service:
            return await service.ask(torch.tensor([[1.5, 2.5]]))

    return asyncio.run(run())


def test_a_query_arrives_exactly_and_its_answer_comes_back_whole() -> None:
    seen: list[np.ndarray] = []

    def respond(query: np.ndarray) -> tuple[int, object]:
        seen.append(query)
        return 200, _WHOLE

    answered = _ask(respond)
    assert seen[0].tolist() == [[1.5, 2.5]]
    assert (answered.label, answered.source, answered.suspects) == (1, Source.DECODED, (2,))
    assert (answered.waited_for, answered.workers, answered.seconds) == (2, 3, 0.5)
    assert (answered.is_padded, answered.expected_error) == (True, 0.125)


@pytest.mark.parametrize(
    ("status", "kind"), [(503, OverloadError), (504, NoAnswerError), (400, ServiceError), (418, ServiceError)]
)
def test_refusals_are_told_apart(status: int, kind: type[ServiceError]) -> None:
    with pytest.raises(kind, match="for a reason") as caught:
        _ask(lambda _: (status, {"error": "for a\nreason"}))
    assert type(caught.value) is kind


@pytest.mark.parametrize("content", [{}, [1], {**_WHOLE, "source": "a guess"}, {**_WHOLE, "probabilities": "x"}])
def test_what_is_no_prediction_is_an_error(content: object) -> None:
    with pytest.raises(ServiceError, match="something else than a prediction"):
        _ask(lambda _: (200, content))


def test_a_service_that_is_not_well_or_not_there_is_refused_early() -> None:
    with pytest.raises(ServiceError, match="not well"):
        _ask(lambda _: (200, _WHOLE), health=503)

    async def nobody() -> HttpService:
        async with http_service("http://127.0.0.1:9") as service:
            return service

    with pytest.raises(ServiceError, match="cannot be reached"):
        asyncio.run(nobody())
