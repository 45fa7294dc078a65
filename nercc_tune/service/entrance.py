"""The HTTP entrance of a service: one query a request, and how its answer came about."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from torch import Tensor

from nercc_tune.errors import NoAnswerError, OverloadError, ServiceError
from nercc_tune.records.strict_json import to_json
from nercc_tune.service.answered import Answered
from nercc_tune.service.query_reading import QueryReader, UnreadableQueryError
from nercc_tune.service.status import ServiceStatus

__all__ = ["Entrance", "Serving"]

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S = 1
_READ_IN_THREAD_BYTES = 2**16  # more would keep the loop, and all answers with it, for milliseconds


class _Asked(Protocol):
    async def ask(self, query: Tensor) -> Answered: ...

    @property
    def status(self) -> ServiceStatus: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Serving:
    """What is served at a moment.

    Attributes:
        engine: Who answers.
        reader: Reads the queries.
        about: What it is, for `/status`.
    """

    engine: _Asked
    reader: QueryReader
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Entrance:
    """Answers requests; an ASGI application.

    ```
    POST /predict   a query as JSON, as `.npy` or as an image → its prediction
    GET /healthz    200 while any worker is there
    GET /status     how the service stands
    ```
    An error is `{"error": one line}`: 400 where the request is wrong, 413 and 415 where its body is too large or of no
    type that is read, 503 with `Retry-After` where too many queries wait, 504 where there is no answer in time.

    Attributes:
        current: Returns what is served now.
        note: Told of every answer.
    """

    current: Callable[[], Serving]
    note: Callable[[Answered], None] = lambda _: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of ASGI."""
        if scope["type"] == "http":
            response = await self.answer(Request(scope, receive))
            await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        routes: dict[str, tuple[str, Callable[[Request], Awaitable[Response]]]] = {
            "/predict": ("POST", self._predict),
            "/healthz": ("GET", self._healthz),
            "/status": ("GET", self._status),
        }
        if request.url.path not in routes:
            return _error(HTTPStatus.NOT_FOUND, f"there is nothing here; ask {', '.join(routes)}.")
        method, respond = routes[request.url.path]
        if request.method != method:
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, f"the method must be {method}.", Allow=method)
        try:
            return await respond(request)
        except UnreadableQueryError as error:
            return _error(error.status, str(error))
        except (OverloadError, NoAnswerError, ServiceError, ValueError) as error:
            return _refusal(error)
        except Exception:  # noqa: BLE001 - who asks is told nothing of it
            _LOG.exception("a request failed")
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed on this request; its log says why.")

    async def _predict(self, request: Request) -> Response:
        reader = self.current().reader
        content_type = request.headers.get("content-type", "")
        body = await _read_body(request, limit=reader.limit(content_type))
        if len(body) > _READ_IN_THREAD_BYTES or content_type.startswith("image/"):
            query = await asyncio.to_thread(reader.read, body, content_type)
        else:
            query = reader.read(body, content_type)
        answered = await self.current().engine.ask(query)
        self.note(answered)
        return _respond(HTTPStatus.OK, _to_json(answered))

    async def _healthz(self, _request: Request) -> Response:
        status = self.current().engine.status
        here = sum(not worker.is_away for worker in status.workers)
        found = HTTPStatus.OK if here and not status.is_closing else HTTPStatus.SERVICE_UNAVAILABLE
        return _respond(found, {"workers": here, "of": len(status.workers), "is_closing": status.is_closing})

    async def _status(self, _request: Request) -> Response:
        serving = self.current()
        return _respond(HTTPStatus.OK, {"about": dict(serving.about), "status": to_json(serving.engine.status)})


async def _read_body(request: Request, *, limit: int) -> bytes:
    """Return the body, of which no more is held than its limit.

    Raises:
        UnreadableQueryError: If it is longer.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:19]) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except ClientDisconnect as error:
        raise UnreadableQueryError("the connection ended within the body.") from error
    return bytes(body)


def _too_large(limit: int) -> UnreadableQueryError:
    return UnreadableQueryError(
        f"the body must have at most {limit} bytes for one query of this model.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )


def _to_json(answered: Answered) -> dict[str, object]:
    return {
        "label": answered.label,
        "probabilities": answered.probabilities.tolist(),
        "source": answered.source.value,
        "waited_for": answered.waited_for,
        "workers": answered.workers,
        "seconds": answered.seconds,
        "suspects": list(answered.suspects),
        "expected_error": answered.expected_error,
        "is_padded": answered.is_padded,
    }


def _refusal(error: ServiceError | ValueError) -> Response:
    if isinstance(error, NoAnswerError):
        return _error(HTTPStatus.GATEWAY_TIMEOUT, str(error))
    if isinstance(error, ServiceError):
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, str(error), **{"Retry-After": str(_RETRY_AFTER_S)})
    return _error(HTTPStatus.BAD_REQUEST, str(error))


def _error(status: HTTPStatus, message: str, **headers: str) -> Response:
    return _respond(status, {"error": message}, **headers)


def _respond(status: HTTPStatus, values: object, **headers: str) -> Response:
    content = json.dumps(values, allow_nan=False) + "\n"
    return Response(content, status_code=status, headers=headers, media_type="application/json")
