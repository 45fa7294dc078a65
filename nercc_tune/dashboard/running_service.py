"""How a service stands that runs elsewhere, as it says itself."""

from __future__ import annotations

import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from nercc_tune.errors import ServiceError
from nercc_tune.records import from_json
from nercc_tune.service.status import ServiceStatus
from nercc_tune.text.one_line import one_line

__all__ = ["DEFAULT_URL", "RunningService", "host_of", "is_loopback", "read_service"]

DEFAULT_URL = "http://127.0.0.1:8000"
"""Where `nercc-tune serve` listens unless it is told otherwise."""

_PATH = "/status"
_MOST_BYTES = 2**24
_SCHEMES = ("http", "https")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer may not lead to another host than the one that was asked."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
"""Asks the host itself: a proxy does not see this machine's loopback."""


@dataclass(frozen=True, kw_only=True)
class RunningService:
    """What a service says of itself.

    Attributes:
        about: What it serves, as JSON values.
        status: How it stands.
    """

    about: Mapping[str, Any]
    status: ServiceStatus


def host_of(url: str) -> str:
    """Return the host of a service's address.

    Raises:
        ServiceError: If the address names none.

    >>> host_of("http://127.0.0.1:8000")
    '127.0.0.1'
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in _SCHEMES or parts.username is not None:
        raise ServiceError(f"`{one_line(url)}` is no address of a service; give one such as {DEFAULT_URL}.")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and nobody else can be meant.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("10.0.0.1")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_service(url: str, *, timeout_s: float = 1.0) -> RunningService:
    """Ask a service how it stands.

    Args:
        url: Of its entrance; who may be asked, the caller decides.
        timeout_s: How long each step of the conversation may take.

    Raises:
        ServiceError: If it does not answer, or is something else.
    """
    host_of(url)
    address = url.strip().rstrip("/")
    try:
        with _OPENER.open(address + _PATH, timeout=timeout_s) as answer:
            body = answer.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise ServiceError(
                f"{address} answers {_PATH} with {error.code}: something else is there, or a service that begins."
            ) from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ServiceError(f"no service answers at {address} ({one_line(_words(reason))}).") from error
    try:
        values: Any = json.loads(body) if len(body) <= _MOST_BYTES else None
        return RunningService(about=dict(values["about"]), status=from_json(ServiceStatus, values["status"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it says something else"
        raise ServiceError(
            f"{address} is no service of this version of nercc-tune ({one_line(what)}); serve anew with this one."
        ) from error


def _words(reason: object) -> object:
    return (reason.strerror or reason) if isinstance(reason, OSError) else reason
