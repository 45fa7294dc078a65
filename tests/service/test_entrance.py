"""What a client of the entrance gets, with an engine in this process and no server."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nercc_tune.errors import NoAnswerError, OverloadError, ServiceError
from nercc_tune.service.answered import Answered
from nercc_tune.service.engine import Engine
from nercc_tune.service.entrance import Entrance, Serving
from nercc_tune.service.local_workers import LocalWorkers
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.query_reading import QueryReader
from nercc_tune.service.schemes import plain
from nercc_tune.service.status import ServiceStatus
from nercc_tune.workloads.preprocessing import FixedSize

SHAPE = (1, 4, 4)
READER = QueryReader(query_shape=SHAPE, preprocessing=FixedSize(channels=1, size=4, mean=(0.0,), std=(1.0,)))


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any


def network(queries: Tensor) -> Tensor:
    """Answer with the first three numbers of a query."""
    return queries.flatten(1)[:, :3]


def ask(
    method: str, path: str, body: bytes = b"", *, kind: str = "application/json", engine: Any = None, length: int = -1
) -> Reply:
    """Send one request, its body in two pieces."""
    return asyncio.run(_ask(method, path, body, kind=kind, engine=engine, length=length))


async def _ask(method: str, path: str, body: bytes, *, kind: str, engine: Any, length: int) -> Reply:
    served = engine or Engine(
        plain(2), PlainCodec(tasks=1, output_kind="logits"), LocalWorkers([network] * 2, is_inline=True)
    )
    entrance = Entrance(current=lambda: Serving(engine=served, reader=READER, about={"serves": "a test"}))
    half = len(body) // 2
    pieces = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": False},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return pieces.pop(0) if pieces else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", kind.encode())]
    headers += [] if length < 0 else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
    await entrance(scope, receive, send)
    return Reply(
        status=sent[0]["status"],
        headers={name.decode(): value.decode() for name, value in sent[0]["headers"]},
        body=json.loads(b"".join(message.get("body", b"") for message in sent[1:])),
    )


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def png(size: tuple[int, int] = (4, 4), colour: int = 255) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, colour).save(file, "PNG")
    return file.getvalue()


QUERY = torch.arange(16.0).reshape(SHAPE) / 16
JSON = json.dumps({"query": QUERY.tolist()}).encode()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/x-npy", npy(QUERY.numpy())),
        ("application/octet-stream", npy(QUERY.numpy().astype(">f8"))),
        ("application/x-npy", npy(np.asfortranarray(QUERY.numpy()))),
    ],
)
def test_a_query_is_answered_with_what_the_model_says(kind: str, body: bytes) -> None:
    reply = ask("POST", "/predict", body, kind=kind)
    assert reply.status == 200
    expected = QUERY.flatten()[:3].softmax(0)
    assert reply.body["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)
    assert reply.body["label"] == 2
    assert reply.body["source"] == "own"
    assert (reply.body["waited_for"], reply.body["workers"], reply.body["suspects"]) == (1, 1, [])
    assert (reply.body["is_padded"], reply.body["expected_error"]) == (False, 0.0)
    assert 0 <= reply.body["seconds"] < 5


def test_an_image_is_prepared_as_the_workload_does() -> None:
    reply = ask("POST", "/predict", png((9, 7)), kind="image/png")
    assert reply.status == 200
    assert reply.body["probabilities"] == pytest.approx([1 / 3] * 3)


class Unpickled(Exception):  # noqa: N818 - it says that something ran
    pass


@dataclass
class Trap:
    """Says so when it is unpickled."""

    values: list[int] = field(default_factory=list)

    def __reduce__(self) -> Any:
        return eval, ("__import__('tests.service.test_entrance').Unpickled",)


_BAD = {
    "no JSON": ("application/json", b"{", 400, "must be JSON"),
    "too deep": ("application/json", b'{"query": ' + b"[" * 4000, 400, "must be JSON"),
    "another key": ("application/json", b'{"q": [1]}', 400, "nested lists of numbers and nothing else"),
    "ragged": ("application/json", b'{"query": [[1], [1, 2]]}', 400, "differ in length"),
    "text": ("application/json", b'{"query": [["1"]]}', 400, "not all of it are numbers"),
    "bools": ("application/json", b'{"query": [true]}', 400, "not all of it are numbers"),
    "huge": ("application/json", b'{"query": [1' + b"0" * 400 + b"]}", 400, "not all of it are numbers"),
    "shape": ("application/json", b'{"query": [[1.0]]}', 400, "numbers of shape (1, 4, 4), but got shape (1, 1)"),
    "NaN": ("application/json", JSON.replace(b"0.9375", b"NaN"), 400, "must be finite"),
    "overflow": ("application/json", JSON.replace(b"0.9375", b"1e300"), 400, "must be finite"),
    "empty": ("application/x-npy", b"", 400, "its header is not that of one"),
    "cut": ("application/x-npy", npy(QUERY.numpy())[:-1], 400, "the file is cut or longer"),
    "longer": ("application/x-npy", npy(QUERY.numpy()) + b"1", 400, "the file is cut or longer"),
    "npy shape": ("application/x-npy", npy(np.zeros(3)), 400, "but got shape (3,)"),
    "strings": ("application/x-npy", npy(np.full(SHAPE, "a")), 400, "must hold numbers, but got <U1"),
    "pickle": ("application/x-npy", npy(np.full(SHAPE, Trap(), dtype=object)), 400, "must hold numbers, but got obj"),
    "no image": ("image/png", b"GIF89a", 400, "cannot be decoded"),
    "a large image": ("image/png", png((6000, 6000)), 413, "at most 33554432 pixels"),
    "another type": ("text/plain", JSON, 415, "the content type must be `application/json` or `application/x-npy`"),
    "too long": ("application/json", JSON + b" " * 5000, 413, "at most 4608 bytes"),
}


@pytest.mark.parametrize("case", _BAD)
def test_what_is_no_query_is_refused_in_one_line(case: str) -> None:
    kind, body, status, message = _BAD[case]
    reply = ask("POST", "/predict", body, kind=kind)
    assert reply.status == status
    assert set(reply.body) == {"error"}
    assert message in reply.body["error"]
    assert "\n" not in reply.body["error"]
    assert "/work" not in reply.body["error"]


@pytest.mark.parametrize("shape", [b"(1, 4, 2**40)", b"(1, 4, 99999)", b"(1, 4, ((((", b"'(1, 4, 4)'"])
def test_a_header_that_claims_something_else_is_refused(shape: bytes) -> None:
    body = npy(QUERY.numpy())
    start, stop = body.index(b"(1, 4, 4)"), body.index(b"\n")
    claimed = body[:start] + (shape + b", }").ljust(stop - start) + body[stop:]
    reply = ask("POST", "/predict", claimed, kind="application/x-npy")
    assert reply.status == 400
    assert "shape" in reply.body["error"] or "header" in reply.body["error"]


def test_a_body_is_refused_by_its_stated_length_before_it_is_read() -> None:
    assert ask("POST", "/predict", b"", length=10**12).status == 413


@dataclass(frozen=True)
class Failing:
    error: Exception

    async def ask(self, _query: Tensor) -> Answered:
        raise self.error

    @property
    def status(self) -> ServiceStatus:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OverloadError("12 queries wait"), 503),
        (ServiceError("the service is stopping"), 503),
        (NoAnswerError("there is no answer: not in time"), 504),
        (ValueError("`query` must be finite"), 400),
    ],
)
def test_what_the_engine_refuses_is_told(error: Exception, status: int) -> None:
    reply = ask("POST", "/predict", JSON, engine=Failing(error))
    assert reply.status == status
    assert reply.body == {"error": str(error)}
    assert ("retry-after" in reply.headers) == (status == 503)


def test_what_nobody_expected_is_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    reply = ask("POST", "/predict", JSON, engine=Failing(RuntimeError("at /secret/place")))
    assert reply.status == 500
    assert "secret" not in reply.body["error"]
    assert "at /secret/place" in caplog.text


def test_health_and_status_say_how_the_service_stands() -> None:
    reply = ask("GET", "/healthz")
    assert (reply.status, reply.body) == (200, {"workers": 2, "of": 2, "is_closing": False})
    reply = ask("GET", "/status")
    assert reply.body["about"] == {"serves": "a test"}
    assert reply.body["status"]["scheme"] == "plain"
    assert len(reply.body["status"]["workers"]) == 2


def test_a_service_that_is_closing_is_not_healthy() -> None:
    async def closed() -> Engine:
        engine = Engine(plain(1), PlainCodec(tasks=1, output_kind="logits"), LocalWorkers([network], is_inline=True))
        await engine.close()
        return engine

    engine = asyncio.run(closed())
    assert ask("GET", "/healthz", engine=engine).status == 503
    assert ask("POST", "/predict", JSON, engine=engine).status == 503


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/status", 405), ("GET", "/", 404)]
)
def test_other_requests_are_refused(method: str, path: str, status: int) -> None:
    reply = ask(method, path)
    assert reply.status == status
    assert ("allow" in reply.headers) == (status == 405)
