"""A home with a finished study whose explorer is served, for tests in a browser."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from nercc_tune.dashboard import Dashboard, Links
from nercc_tune.home import Home
from tests.faults.operation import Operation

MODELS = Path(__file__).parents[1] / "faults"
"""Where the model `zero_cost:build` of an `Operation` lies."""

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""With which Chromium asks nobody for anything by itself."""

PAGES = ("Overview", "Landscape", "Stragglers", "Coded queries", "Deploy")
"""Those that show a study; the page of services has tests of its own."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """An explorer that answers.

    Attributes:
        operation: The study that can be looked at.
        links: Where the pages are.
    """

    operation: Operation
    links: Links

    @property
    def home(self) -> Home:
        return self.operation.home

    @property
    def explorer(self) -> str:
        assert self.links.explorer is not None
        return self.links.explorer

    def open(self, page: Page, title: str = "Overview", **wanted: str) -> None:
        """Open a page of the explorer as a reader does: by its address and the menu."""
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        page.goto(f"{self.explorer}/?{query}")
        page.get_by_role("link", name=title, exact=True).click()
        settle(page, title)


@contextmanager
def served(operation: Operation) -> Iterator[Site]:
    """Serve a study's home, and end the servers after the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(MODELS), os.environ.get("PYTHONPATH")])))
        home = operation.home
        dashboard = Dashboard(
            home=home,
            storage=home.storage_url,
            tracking=home.tracking_url,
            port=free_pair(),
            allow_code=True,
        )
        with dashboard.running() as (links, _):
            yield Site(operation=operation, links=links)


@contextmanager
def served_beside(home: Home, mlflow: str) -> Iterator[str]:
    """Serve the explorer of a home beside an MLflow server that runs, and return its address."""
    dashboard = Dashboard(home=home, storage=home.storage_url, tracking=mlflow, port=free_pair())
    with dashboard.running() as (links, _):
        assert links.mlflow == mlflow
        assert links.explorer is not None
        yield links.explorer


def settle(page: Page, title: str) -> None:
    """Wait until a page of the explorer is whole."""
    heading = "Studies" if title == "Overview" else title
    expect(page.get_by_role("heading", level=1, name=heading, exact=True)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    raised = page.get_by_test_id("stException")
    assert raised.count() == 0, raised.first.inner_text()
    expect(raised).to_have_count(0)


def free_pair() -> int:
    """Return a port of loopback that is free, and the next one, too."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise RuntimeError("no two ports beside each other are free.")
