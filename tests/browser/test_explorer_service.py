"""The explorer's page of services: one that answers, one that is gone, and what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from nercc_tune.home import Home
from nercc_tune.reporting.bench_report import write_bench
from nercc_tune.service.bench_results import BenchResults
from tests.browser.explorer_site import served_beside, settle
from tests.service.results import bench_results
from tests.service.served_status import StatusServer, serving_status, status_body
from tests.service.statuses import service_status
from tests.services.mlflow_server import MlflowServer
from tests.services.postgres import free_port

pytestmark = pytest.mark.slow

_CODES = ("coded", "bacc", "parity", "equal-resources", "replication", "hedging", "none")
_OUTSIDE = """() => [...document.querySelectorAll('[data-testid="stMain"] *')]
    .filter(part => !part.closest('.wide-table table, .modebar-container'))
    .filter(part => part.getBoundingClientRect().width > 0)
    .filter(part => part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(part => part.outerHTML.slice(0, 120))"""
"""What reaches beyond the right edge of the page; tables may, since they scroll."""

_WATCH = """() => {
    window.seen = [1, Infinity, 0];
    const look = () => {
        for (const part of document.querySelectorAll('.st-key-live [data-testid="stElementContainer"]'))
            window.seen[0] = Math.min(window.seen[0], Number(getComputedStyle(part).opacity));
        const drawn = [...document.querySelectorAll('.st-key-live-latency-both .scatterlayer .point')];
        const shown = drawn.filter(point => getComputedStyle(point).visibility === 'visible');
        window.seen[1] = Math.min(window.seen[1], shown.length);
        window.seen[2] += 1;
        setTimeout(look, 100);
    };
    look();
}"""
"""Looks at what is live ten times a second: the least opacity, and the fewest points that were to be seen."""


@dataclass(frozen=True, kw_only=True)
class _Site:
    explorer: str
    results: BenchResults
    service: StatusServer

    def open(self, page: Page, service: str | None = None) -> None:
        page.goto(f"{self.explorer}/?page=service&service={service or self.service.url}")
        expect(page.get_by_role("heading", level=1, name="Service", exact=True)).to_be_visible()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer) -> Iterator[_Site]:
    """Return the explorer of a home with results of a bench, and a service that answers."""
    mlflow_server.start()
    home = Home(tmp_path_factory.mktemp("service") / "nercc-home")
    results = bench_results(_CODES, repeats=3, rates=(20.0, 40.0))
    write_bench(results, home.study("digits") / "bench-20261128-120000")
    body = status_body(service_status(), study="digits")
    with serving_status(body) as service, served_beside(home, mlflow_server.url) as explorer:
        yield _Site(explorer=explorer, results=results, service=service)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(site: _Site, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    site.open(page)
    expect(page.locator(".js-plotly-plot:visible")).to_have_count(6)
    ground = page.get_by_test_id("stApp").evaluate("part => getComputedStyle(part).backgroundColor")
    chart = page.locator(".st-key-live-latency-both .main-svg:visible").first
    assert chart.evaluate("part => getComputedStyle(part).backgroundColor") == ground
    _check_accessible(page)
    site.open(page, f"http://127.0.0.1:{free_port()}")
    expect(page.get_by_text("No service answers at")).to_be_visible()
    _check_accessible(page)


@pytest.mark.parametrize("width", [1440, 800, 600])
def test_nothing_is_cut(site: _Site, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    site.open(page)
    expect(page.locator(".js-plotly-plot:visible")).to_have_count(6)
    assert page.evaluate(_OUTSIDE) == []
    settle(page, "Service")
    page.wait_for_timeout(3000)  # until live charts were drawn anew
    room = page.get_by_role("region", name="Workers").evaluate("part => part.clientWidth")
    drawn = page.locator(".js-plotly-plot:visible .bglayer")
    assert drawn.count() >= 6
    assert all(plot.evaluate("part => part.getBoundingClientRect().width") > 0.6 * room for plot in drawn.all())
    values = page.get_by_test_id("stMetricValue").locator("*")
    assert values.count() > 0
    assert all(value.evaluate("part => part.scrollWidth <= part.clientWidth + 1") for value in values.all())


def test_a_service_is_shown_as_it_stands_and_followed(site: _Site, page: Page) -> None:
    site.open(page)
    row = page.get_by_role("region", name="Workers").get_by_role("row", name=re.compile("^3 "))
    expect(row).to_contain_text("150 ms")
    expect(page.get_by_text("100 of the last 400 queries were estimated")).to_be_visible()
    before = site.service.body
    try:
        site.service.body = status_body(service_status(recent=80), study="digits")
        expect(page.get_by_text("20 of the last 80 queries were estimated")).to_be_visible()
        for name in ("own answer (40)", "copy (10)", "estimate (20)", "refused (10)"):
            expect(page.locator(".st-key-live .legendtext:visible").get_by_text(name, exact=True).first).to_be_visible()
    finally:
        site.service.body = before


def test_what_is_newer_neither_fades_in_nor_flickers(site: _Site, page: Page) -> None:
    site.open(page)
    expect(page.locator(".st-key-live .js-plotly-plot .points")).not_to_have_count(0)
    before = site.service.body
    bodies = [status_body(service_status(recent=count)) for count in range(1600, 1980, 20)]
    page.evaluate(_WATCH)
    try:
        for site.service.body in bodies:  # each half a second another one
            page.wait_for_timeout(500)
    finally:
        site.service.body = before
    opacity, points, looks = page.evaluate("window.seen")
    assert looks > 10
    assert opacity == 1
    assert points > 0


def test_a_service_that_goes_is_told_and_found_again(site: _Site, page: Page) -> None:
    port = free_port()
    site.open(page, f"http://127.0.0.1:{port}")
    expect(page.get_by_text(f"No service answers at http://127.0.0.1:{port} (Connection refused).")).to_be_visible()
    expect(page.get_by_text(re.compile("nercc-tune serve lenet5-digits --home .*nercc-home"))).to_be_visible()
    page.get_by_role("textbox", name="Address").fill(site.service.url)
    page.get_by_role("textbox", name="Address").press("Enter")
    expect(page.get_by_role("region", name="Workers")).to_be_visible()


def test_another_machine_is_read_only_if_it_is_wanted(site: _Site, page: Page) -> None:
    site.open(page, "http://192.0.2.1:8000")
    box = page.get_by_text("Read from 192.0.2.1, which is another machine")
    expect(box).to_be_visible()
    settle(page, "Service")
    expect(page.get_by_text("No service answers")).to_have_count(0)
    box.click()
    expect(page.get_by_text("No service answers at http://192.0.2.1:8000")).to_be_visible()


def test_figures_of_a_bench_are_those_of_its_file(site: _Site, page: Page) -> None:
    site.open(page)
    for setting in site.results.at_rates():
        latencies = page.get_by_role("region", name=re.compile(f"Latency, digits, 20261128-120000, {setting.rate:g} "))
        expect(latencies.get_by_role("row")).to_have_count(1 + len(_CODES))
        summary = setting.summary("coded")
        cells = latencies.get_by_role("row", name=re.compile("^NeRCC")).get_by_role("cell").all_inner_texts()
        for cell, interval in zip(cells, (summary.p50_s, summary.p95_s, summary.p99_s, summary.p999_s), strict=False):
            assert interval is not None
            assert float(cell.split()[0]) == pytest.approx(1e3 * interval.mean, rel=5e-3)
    settle(page, "Service")
    chart = page.locator(".js-plotly-plot", has_text="1 − agreement").first
    marks = chart.evaluate("chart => chart.data.map(trace => [trace.name, trace.x[0]])")
    (setting, _) = site.results.at_rates()
    assert [x for _, x in marks] == pytest.approx([1e3 * setting.summary(code).p999_s.mean for code in setting.runs])  # type: ignore[union-attr]  # none was refused


def _check_accessible(page: Page) -> None:
    settle(page, "Service")
    page.wait_for_timeout(500)  # until the page has faded in
    found = Axe().run(page).response["violations"]
    serious = [item for item in found if item["impact"] in ("serious", "critical")]
    assert not [(item["id"], [node["html"] for node in item["nodes"]]) for item in serious]
