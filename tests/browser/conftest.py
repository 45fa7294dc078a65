"""A headless browser, and a page that fails its test if it erred or reached for another host."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright  # noqa: E402 - only where it is there

from tests.browser.explorer_site import ARGUMENTS  # noqa: E402 - needs playwright

_HERE = {"127.0.0.1", "localhost", "::1"}
_NETWORK_SCHEMES = {"http", "https", "ws", "wss"}
_PATIENCE_MS = 60_000
"""A page of a server on a busy machine takes its time."""


@dataclass(kw_only=True)
class Watch:
    """What the pages of a test did that they should not.

    Attributes:
        errors: Console errors and uncaught exceptions, each with the address that it came from.
        foreign: Addresses on other hosts that were asked for.
    """

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def see_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def see_address(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in _NETWORK_SCHEMES and address.hostname not in _HERE:
            self.foreign.append(url)

    def unexpected(self, allowed: tuple[str, ...]) -> list[str]:
        """Return the errors that match none of the patterns."""
        return [error for error in self.errors if not any(re.search(pattern, error) for pattern in allowed)]


# Not for the whole session: while it lives, nothing else in this process can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return the system's Chromium, without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def allowed_errors() -> tuple[str, ...]:
    """Return patterns of the console errors that are not ours; a module may return its own."""
    return ()


@pytest.fixture
def watch() -> Watch:
    """Return what is recorded of `page`."""
    return Watch()


@pytest.fixture
def page(browser: Browser, watch: Watch, allowed_errors: tuple[str, ...]) -> Iterator[Page]:
    """Return an empty page of a fresh profile, which must cause no error and ask no other host for anything."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(_PATIENCE_MS)
    context.on("console", watch.see_message)
    context.on("weberror", lambda error: watch.errors.append(str(error.error)))
    context.on("request", lambda request: watch.see_address(request.url))
    opened = context.new_page()
    opened.on("websocket", lambda socket: watch.see_address(socket.url))
    yield opened
    context.close()
    assert not watch.foreign
    assert not watch.unexpected(allowed_errors)
