"""Asks a running service over HTTP."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from nercc_tune.errors import NoAnswerError, OverloadError, ServiceError
from nercc_tune.service.answered import Answered
from nercc_tune.service.commands import Source
from nercc_tune.text.one_line import one_line

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["HttpService", "http_service"]

_CONNECTIONS = 1000
_TIMEOUT_S = 60.0


class HttpService:
    """A service that is reached at a URL; it is made by `http_service`.

    Args:
        url: Of its entrance, without `/predict`.
        session: With its connections.
    """

    def __init__(self, url: str, session: ClientSession) -> None:
        self._url = url.rstrip("/")
        self._session = session

    async def ask(self, query: Tensor) -> Answered:
        """Return the answer to a query […], which is sent as `.npy`.

        Raises:
            OverloadError: If the service takes no more queries.
            NoAnswerError: If it has no answer in time.
            ServiceError: If it refuses the query, cannot be reached, or answers with something else.
        """
        buffer = io.BytesIO()
        np.save(buffer, query.numpy(), allow_pickle=False)
        headers = {"Content-Type": "application/x-npy"}
        status, content = await self._request("POST", "/predict", data=buffer.getvalue(), headers=headers)
        if status != HTTPStatus.OK:
            reason = one_line(content.get("error", f"status {status}"))
            kinds = {HTTPStatus.SERVICE_UNAVAILABLE: OverloadError, HTTPStatus.GATEWAY_TIMEOUT: NoAnswerError}
            raise kinds.get(HTTPStatus(status), ServiceError)(reason)
        return _answered(content)

    async def check(self) -> None:
        """Refuse early a service that is not there.

        Raises:
            ServiceError: If it cannot be reached, or is not well.
        """
        status, _ = await self._request("GET", "/healthz")
        if status != HTTPStatus.OK:
            raise ServiceError(f"the service at {self._url} is not well (status {status}); look at its log.")

    async def _request(self, method: str, path: str, **how: Any) -> tuple[int, dict[str, Any]]:
        from aiohttp import ClientError, ContentTypeError  # noqa: PLC0415 - it is there where Ray Serve is

        try:
            async with self._session.request(method, self._url + path, **how) as response:
                try:
                    content = await response.json()
                except (ContentTypeError, ValueError):
                    content = None
                return response.status, content if isinstance(content, dict) else {}
        except (TimeoutError, ClientError, OSError) as error:
            raise ServiceError(
                f"the service at {self._url} cannot be reached ({one_line(error) or type(error).__name__}); "
                "start it with `nercc-tune serve`."
            ) from error


@asynccontextmanager
async def http_service(url: str) -> AsyncIterator[HttpService]:
    """Open connections to a service, as many as are needed, which are used again.

    Raises:
        ServiceError: If the package for it is missing, or there is no service.
    """
    try:
        from aiohttp import ClientSession, ClientTimeout, TCPConnector  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ServiceError("asking a service needs aiohttp; install `nercc-tune[ray]`.") from error
    connector, timeout = TCPConnector(limit=_CONNECTIONS), ClientTimeout(total=_TIMEOUT_S)
    async with ClientSession(connector=connector, timeout=timeout) as session:
        service = HttpService(url, session)
        await service.check()
        yield service


def _answered(content: dict[str, Any]) -> Answered:
    """Read what the entrance writes.

    Raises:
        ServiceError: If it is something else.
    """
    try:
        return Answered(
            probabilities=torch.tensor(content["probabilities"], dtype=torch.float32),
            source=Source(content["source"]),
            waited_for=int(content["waited_for"]),
            workers=int(content["workers"]),
            seconds=float(content["seconds"]),
            suspects=tuple(content["suspects"]),
            is_padded=bool(content["is_padded"]),
            expected_error=content["expected_error"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceError(f"the service answers with something else than a prediction ({one_line(error)}).") from error
