from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from nercc_tune.exploration import Exploration, codes_to_send
from nercc_tune.serving import load_table
from nercc_tune.tracking.deployment.promotion import read_deployments
from tests.browser.explorer_site import MODELS, PAGES, Site, served, settle
from tests.faults.operation import Operation

pytestmark = pytest.mark.slow

_NAME = "nercc-zero_cost-build-npz-K4-N10"
_CELL = "faulty/K4-N10-S3"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return the explorer of a home with a finished study, in which another one is launched by one of the tests."""
    operation = Operation(folder=tmp_path_factory.mktemp("explorer"), trials=6)
    try:
        operation.run("launch", str(operation.file), "--allow-code")
        with served(operation) as site:
            yield site
    finally:
        operation.close()


@pytest.mark.parametrize("title", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_serious_finding_of_accessibility(site: Site, page: Page, title: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    site.open(page, title)
    page.wait_for_timeout(500)  # until the bars of progress have faded
    _check_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_on_a_page_is_accessible_as_well(site: Site, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    site.open(page, "Coded queries", study="faulty", cell=_CELL)
    page.get_by_role("button", name="3 at random").click()
    expect(page.get_by_text("3 stragglers, 7 answers")).to_be_visible()
    page.get_by_text("Query by query").click()
    expect(page.get_by_role("columnheader", name="L2 distance")).to_be_visible()
    settle(page, "Coded queries")
    page.wait_for_timeout(1000)  # until it has faded in
    _check_accessible(page)
    page.get_by_role("link", name="Deploy", exact=True).click()
    settle(page, "Deploy")
    page.get_by_role("button", name=re.compile("^Promote")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_timeout(500)  # until it has faded in
    _check_accessible(page)


def test_the_overview_shows_the_cells_with_what_they_gain_and_leads_to_mlflow_and_back(site: Site, page: Page) -> None:
    site.open(page)
    history = site.operation.history()
    row = page.get_by_role("row", name=re.compile("S=3"))
    entry = history.cells[1].entry
    assert entry is not None
    expect(row).to_contain_text(f"{entry.heldout.mse.mean:.3g} [{entry.heldout.mse.low:.3g}")
    expect(row).to_contain_text(f"{-entry.gains['bacc'].mean:+.1%}")
    expect(
        page.get_by_role("row", name=re.compile("^faulty zero_cost:build npz 10 4 2, 3 16 finished"))
    ).to_be_visible()
    address = row.get_by_role("link", name="MLflow run").get_attribute("href")
    assert address is not None
    assert address.startswith(site.links.mlflow)
    table = page.get_by_role("link", name="Trials by MSE").get_attribute("href")
    assert table is not None
    assert "viewStateShareKey=" in table


def test_mlflows_note_leads_back_to_the_cell(site: Site, page: Page) -> None:
    page.goto(f"{site.explorer}/?study=faulty&cell={_CELL}")
    settle(page, "Overview")
    expect(page.get_by_role("combobox", name="Stragglers")).to_have_value("S=3")


def test_a_page_can_be_opened_by_its_address_and_keeps_the_choice(site: Site, page: Page) -> None:
    page.goto(f"{site.explorer}/landscape?study=faulty&cell={_CELL}")
    settle(page, "Landscape")
    expect(page.get_by_text(re.compile("S=3 of faulty"))).to_be_visible()
    page.get_by_role("link", name="Stragglers", exact=True).click()
    settle(page, "Stragglers")
    expect(page.get_by_role("combobox", name="Stragglers")).to_have_value("S=3")
    page.reload()
    settle(page, "Stragglers")


def test_the_landscape_is_decoded_for_every_metric(site: Site, page: Page) -> None:
    site.open(page, "Landscape", study="faulty", cell=_CELL)
    charts = page.locator(".js-plotly-plot")
    expect(charts).to_have_count(3)
    page.get_by_text("agreement", exact=True).click()
    expect(page.get_by_text("The search recorded the MSE")).to_be_visible()
    page.get_by_text("Decode the kept worker outputs anew").click()
    settle(page, "Landscape")
    expect(charts).to_have_count(3)
    expect(charts.first.locator(".colorbar, .cbtitle").first).to_contain_text("agreement")
    entry = site.operation.history().cells[1].entry
    assert entry is not None
    decoded = charts.nth(1).evaluate("chart => chart.data.filter(trace => trace.hovertext).flatMap(t => t.hovertext)")
    assert any(f"{entry.tuning.agreement:.3g}"[:4] in text for text in decoded)


def test_the_stragglers_page_says_in_words_what_it_draws(site: Site, page: Page) -> None:
    site.open(page, "Stragglers")
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    names = page.locator(".js-plotly-plot").evaluate("chart => chart.data.map(trace => trace.name)")
    assert {"BACC", "replication", "tuned NeRCC", "NeRCC, policy"} <= set(names)
    table = load_table(site.home.study("faulty") / "table.json").table
    row = page.get_by_role("row", name=re.compile("S=2"))
    expect(row).to_contain_text(f"{table.entries[0].baselines['bacc'].mse.mean:.3g} [")


def test_workers_that_are_clicked_away_are_decoded_without_as_a_serving_system_would(
    site: Site, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.open(page, "Coded queries", study="faulty", cell=_CELL)
    assert _shown_mse(page) == pytest.approx(_served(site, [], monkeypatch), rel=1e-4)
    for gone in ([4], [4, 0], [4, 0, 9]):
        expect(page.get_by_text(f"{len(gone) - 1} stragglers")).to_be_visible()
        page.get_by_role("button", name=str(gone[-1]), exact=True).click()
        expect(page.get_by_text(f"{len(gone)} stragglers, {10 - len(gone)} answers")).to_be_visible()
        settle(page, "Coded queries")
        assert _shown_mse(page) == pytest.approx(_served(site, gone, monkeypatch), rel=1e-4)
    page.get_by_role("button", name="4", exact=True).click()
    expect(page.get_by_text("2 stragglers, 8 answers")).to_be_visible()
    page.get_by_role("button", name="Everybody answers").click()
    expect(page.get_by_text("0 stragglers, 10 answers")).to_be_visible()


def test_queries_and_what_a_worker_gets_are_pictures_with_words(site: Site, page: Page) -> None:
    site.open(page, "Coded queries", study="faulty", cell=_CELL)
    expect(page.get_by_role("img", name=re.compile("^4 queries, of the classes"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^coded query 5 by NeRCC"))).to_be_visible()
    slider = page.get_by_role("slider", name="Worker number")
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_role("img", name=re.compile("^coded query 6 by BACC"))).to_be_visible()


def test_all_can_be_reached_and_done_by_the_keyboard(site: Site, page: Page) -> None:
    site.open(page, "Coded queries", study="faulty", cell=_CELL)
    button = page.get_by_role("button", name="7", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 stragglers, 9 answers")).to_be_visible()
    page.get_by_role("link", name="Deploy", exact=True).focus()
    page.keyboard.press("Enter")
    settle(page, "Deploy")


def test_a_pair_is_promoted_replaced_and_rolled_back(site: Site, page: Page) -> None:
    site.open(page, "Deploy")
    expect(page.get_by_text("Nothing is deployed yet.")).to_be_visible()
    _promote(page, "policy")
    assert _serving(site) == ("policy", None)
    _promote(page, "S=3")
    assert _serving(site) == ("S=3", "policy")
    expect(page.get_by_role("row", name=re.compile("^now .*S=3"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^before .*policy"))).to_be_visible()
    page.get_by_role("button", name="Roll back…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile("^now .*policy"))).to_be_visible()
    assert _serving(site) == ("policy", "S=3")


def test_a_running_study_is_followed_to_its_end(site: Site, page: Page) -> None:
    running = Operation(folder=site.operation.folder / "running", trials=24, seconds=1.2)
    running.file.write_text(
        running.file.read_text(encoding="utf-8").replace('name = "faulty"', 'name = "running"'), encoding="utf-8"
    )
    try:
        site.open(page)
        launch = running.launch("--home", str(site.home.root))
        row = page.get_by_role("row", name=re.compile("^running zero_cost.* running"))
        expect(row).to_be_visible(timeout=90_000)
        page.goto(f"{site.explorer}/?study=running")
        progress = page.get_by_text(re.compile(r"\d+ of 26 proposals, running"))
        expect(progress).to_be_visible()
        first = _proposals(progress)
        expect(progress).not_to_have_text(re.compile(rf"^{first} of"))
        assert _proposals(progress) > first
        page.get_by_role("link", name="Stragglers", exact=True).click()
        settle(page, "Stragglers")
        expect(page.get_by_text("The study is not finished")).to_be_visible()
        page.get_by_role("link", name="Overview", exact=True).click()
        settle(page, "Overview")
        expect(page.get_by_role("row", name=re.compile("^running zero_cost.*finished"))).to_be_visible(timeout=120_000)
        launch.communicate(timeout=120)
        assert launch.returncode == 0
    finally:
        running.close()


def _check_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [
        (item["id"], [node["html"] for node in item["nodes"]])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]
    assert not serious


def _shown_mse(page: Page) -> float:
    row = page.get_by_role("row", name=re.compile("NeRCC tuned for S=3"))
    return float(row.get_by_role("cell").nth(1).inner_text())


def _served(site: Site, gone: list[int], monkeypatch: pytest.MonkeyPatch) -> float:
    """Return the MSE of the group on the page as a serving system gets it from the table."""
    monkeypatch.syspath_prepend(str(MODELS))
    exploration = Exploration.open(site.operation.history(), site.home, allow_code=True)
    queries = exploration.group("heldout", 0, codes_to_send(site.operation.history(), 3)["bacc"]).queries
    model = sys.modules["zero_cost"].build()
    code = load_table(site.home.study("faulty") / "table.json").code(stragglers=3)
    group = code.on(queries)
    arrived = [worker for worker in range(10) if worker not in gone]
    with torch.inference_mode():
        answers = model(group.encode(queries)).softmax(-1)
        estimates = group.decode(answers[arrived], arrived)
        return float((estimates - model(queries).softmax(-1)).square().sum(-1).mean())


def _promote(page: Page, candidate: str) -> None:
    page.get_by_text(candidate, exact=True).last.click()
    page.get_by_role("button", name=f"Promote {candidate}…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("held-out MSE in probabilities")).to_be_visible()
    force = dialog.get_by_text("Promote it all the same")
    if force.count():
        expect(dialog.get_by_role("button", name="Promote", exact=True)).to_be_disabled()
        force.click()
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("is the champion")).to_be_visible()


def _serving(site: Site) -> tuple[str | None, str | None]:
    deployed = read_deployments(site.home.tracking_url, _NAME)
    champion, previous = deployed.champion, deployed.previous
    return champion.code.serves if champion else None, previous.code.serves if previous else None


def _proposals(progress: Locator) -> int:
    return int(progress.first.inner_text().split()[0])
