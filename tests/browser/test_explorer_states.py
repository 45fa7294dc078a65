"""The explorer where there is nothing yet, and where there is very much."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from nercc_tune.home import Home
from tests.browser.explorer_site import PAGES, served_beside, settle
from tests.services.mlflow_server import MlflowServer
from tests.stored import large_home

pytestmark = pytest.mark.slow

_TRIALS = 2000


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer) -> Iterator[str]:
    """Return the explorer of a home that nothing was launched in; its MLflow is a server that ran before."""
    mlflow_server.start()
    home = Home(tmp_path_factory.mktemp("empty") / "nercc-home")
    with served_beside(home, mlflow_server.url) as explorer:
        yield explorer
    assert not home.root.exists()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer) -> Iterator[str]:
    """Return the explorer of a home with a study of 2,000 trials that was stopped."""
    mlflow_server.start()
    home = large_home(tmp_path_factory.mktemp("large"), trials=_TRIALS)
    with served_beside(home, mlflow_server.url) as explorer:
        yield explorer


@pytest.mark.parametrize("title", PAGES)
def test_without_a_study_every_page_says_how_to_begin(empty: str, page: Page, title: str) -> None:
    page.goto(empty)
    settle(page, "Overview")
    page.get_by_role("link", name=title, exact=True).click()
    settle(page, title)
    expect(page.get_by_text("No study has been launched in")).to_be_visible()
    expect(page.get_by_text(re.compile("nercc-tune launch lenet5-digits --home .*nercc-home"))).to_be_visible()


def test_a_stopped_study_of_many_trials_is_shown_with_those_that_failed(large: str, page: Page) -> None:
    page.goto(large)
    settle(page, "Overview")
    expect(page.get_by_text(re.compile("2000 of 2002 proposals, stopped – nercc-tune launch large"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^S=40 .* 2000 100 99 "))).to_be_visible()
    page.get_by_role("link", name="Landscape", exact=True).click()
    settle(page, "Landscape")
    expect(page.get_by_text("1801 complete trials, 100 failed, 99 pruned")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(3)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Stragglers", "The study is not finished"),
        ("Coded queries", "is not there|not those at hand|cannot be|missing"),
        ("Deploy", "has not been judged on held-out queries yet"),
    ],
)
def test_what_an_unfinished_study_cannot_show_is_said(large: str, page: Page, title: str, said: str) -> None:
    page.goto(large)
    settle(page, "Overview")
    page.get_by_role("link", name=title, exact=True).click()
    settle(page, title)
    expect(page.get_by_test_id("stMain").get_by_text(re.compile(said)).first).to_be_visible()
