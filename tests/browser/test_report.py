"""The report as a browser shows it: nothing is fetched, nothing errs, and everyone can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from nercc_tune.reporting.report import write_report
from tests.builders import study_history

_SERIOUS = ("serious", "critical")
_NARROW = 360


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(study_history(stragglers=(20, 40)), folder)[0]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_can_be_read_by_everyone(page: Page, report: Path, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(report.as_uri())
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    loaded = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
    assert loaded == [True] * 4
    found = Axe().run(page).response["violations"]
    assert [(issue["id"], issue["nodes"][0]["html"]) for issue in found if issue["impact"] in _SERIOUS] == []


@pytest.mark.slow
def test_tables_scroll_and_the_page_does_not(page: Page, report: Path) -> None:
    page.set_viewport_size({"width": _NARROW, "height": 800})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == _NARROW
    widths = page.evaluate(
        "[...document.querySelectorAll('.wide')].map(frame => [frame.scrollWidth, frame.clientWidth])"
    )
    assert any(content > frame for content, frame in widths)


@pytest.mark.slow
def test_on_paper_nothing_is_cut_off(page: Page, report: Path) -> None:
    page.set_viewport_size({"width": 688, "height": 1000})  # the text of an A4 page
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(report.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('table, img')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= 688
