"""What a user sees who opens a study in MLflow's own pages, on a profile that never saw them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import plotly.graph_objects as go
import pytest
from playwright.sync_api import Page, expect

from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.tracking.links import cell_links
from nercc_tune.tracking.projection import Projection
from tests.builders import finished, pruned, searched, study
from tests.services.mlflow_server import MlflowServer

pytestmark = pytest.mark.slow

STUDY = "looked-at"
COLUMNS = ["lambda_enc", "lambda_dec", "mse", "prob_mse", "rel_acc", "agreement", "S", "state"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A study in a store that a server shows."""

    server: str
    experiment: str
    cell: str

    def view(self, kind: str) -> str:
        return f"{self.server}/{self.experiment}/runs?viewStateShareKey=nercc-tune-{kind}"


@pytest.fixture(scope="module")
def shown(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Return a judged study with all kinds of trials, and an interactive figure among its files."""
    mlflow_server.start()
    history = _history()
    projection = Projection(mlflow_server.database, mlflow_server.folder / "artifacts")
    projection.open_study(history)
    for item in history.cells:
        for record in item.trials:
            projection.log_trial(item.cell, record)
    projection.log_artifacts([_figures(tmp_path_factory.mktemp("browsed") / "figures")])
    projection.close(status="FINISHED")
    cell = cell_links(mlflow_server.database, STUDY)[f"{STUDY}/K50-N200-S40"]
    return Shown(server=mlflow_server.url, experiment=cell.partition("/runs/")[0], cell=f"{mlflow_server.url}/{cell}")


@pytest.fixture
def allowed_errors() -> tuple[str, ...]:
    """Return the one error that is MLflow's own: it asks who is logged in, also where nobody can log in."""
    return (r"404 \(Not Found\) \(http://127\.0\.0\.1:\d+/ajax-api/2\.0/mlflow/users/current\)$",)


def test_the_view_of_the_trials_opens_with_its_columns_sorted(page: Page, shown: Shown) -> None:
    _open_table(page, shown.view("trials"), row="S=40 #0")
    assert _headers(page)[: len(COLUMNS)] == COLUMNS
    assert _headers(page)[len(COLUMNS) :][:3] == ["ordering", "nodes", "decode_space"]
    names = _column(page, "attributes.`Run Name`")
    assert {*names[:2]} == {"S=40 #1", "S=60 #1"}
    assert {*names[2:4]} == {"S=40 #5", "S=60 #5"}
    assert (
        _column(page, "metrics.`mse`")
        == ["0.04", "0.04", "0.041", "0.041", "0.045", "0.045", "0.05", "0.05"] + ["-"] * 4
    )
    assert _column(page, "params.`lambda_enc`")[:3:2] == ["1.1e-07", "5.5e-07"]
    assert set(_column(page, "tags.`S`")) == {"40", "60"}
    assert _column(page, "tags.`state`")[:8] == ["complete"] * 8
    assert sorted(_column(page, "tags.`state`")[8:]) == ["failed", "failed", "pruned", "pruned"]


def test_the_view_of_the_cells_shows_what_was_chosen(page: Page, shown: Shown) -> None:
    _open_table(page, shown.view("cells"), row="S=40")
    assert _headers(page)[:3] == ["tuned_lambda_enc", "tuned_lambda_dec", "heldout_mse"]
    assert {*_column(page, "attributes.`Run Name`")} == {"S=40", "S=60"}
    assert [float(value) for value in _column(page, "metrics.`tuned_lambda_enc`")] == [1.1e-7, 1.1e-7]


def test_the_experiment_says_what_it_is_and_what_its_metrics_mean(page: Page, shown: Shown) -> None:
    _open_table(page, shown.view("trials"), row="S=40 #0")
    page.locator("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    expect(page.get_by_text("lenet5 on mnist")).to_be_visible()
    meaning = page.locator("tr", has_text="rel_acc")
    expect(meaning).to_contain_text("accuracy of the estimates / accuracy of the uncoded model")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Straggler counts by held-out MSE").click()
    expect(opened.value.get_by_text("tuned_lambda_enc").first).to_be_visible()


def test_a_cell_says_what_was_chosen_and_how_to_get_it_again(page: Page, shown: Shown) -> None:
    page.goto(shown.cell)
    expect(page.get_by_text("λ_enc = 1.1e-07, λ_dec = 3e-09")).to_be_visible()
    expect(page.get_by_role("link", name="λ explorer")).to_be_in_viewport()  # not folded away
    expect(page.get_by_role("row", name=re.compile("BACC"))).to_contain_text("0.0612 [0.05508, 0.06854]")
    expect(page.get_by_text(f"nercc-tune launch {STUDY}.toml")).to_be_visible()
    link = page.get_by_role("link", name="λ explorer")
    address = f"http://127.0.0.1:5001/?study={STUDY}&cell={STUDY}%2FK50-N200-S40"
    expect(link).to_have_attribute("href", address)


def test_an_interactive_figure_is_shown_without_a_network(page: Page, shown: Shown) -> None:
    page.goto(f"{shown.cell}/artifacts/figures/landscape.html")
    figure = page.frame_locator("iframe").locator("svg.main-svg").first
    expect(figure).to_be_visible()
    expect(page.frame_locator("iframe").get_by_text("landscape of S=40")).to_be_visible()


def test_selected_trials_are_compared_over_both_lambdas_and_the_error(page: Page, shown: Shown) -> None:
    _open_table(page, shown.view("trials"), row="S=40 #0")
    rows = page.locator(".ag-pinned-left-cols-container .ag-row")
    for name in ("S=40 #0", "S=40 #1", "S=40 #3", "S=40 #5"):
        link = page.get_by_role("link", name=name, exact=True)
        rows.filter(has=link).locator("input.ag-checkbox-input").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", name="Comparing 4 Runs from 1 Experiment")).to_be_visible()
    titles = page.locator(".parcoords .axis-title")
    expect(titles).to_have_count(3)
    assert titles.all_text_contents() == ["lambda_dec", "lambda_enc", "mse"]


def _history() -> StudyHistory:
    cells = (
        _with_all_kinds(searched(count, mses=(0.05, 0.04, None, 0.045, 0.06, 0.041), study=STUDY)) for count in (40, 60)
    )
    return finished(study(*cells, name=STUDY))


def _with_all_kinds(history: CellHistory) -> CellHistory:
    return replace(history, trials=tuple(pruned(item) if item.proposal == 4 else item for item in history.trials))


def _figures(folder: Path) -> Path:
    """Write a figure as the package does: with plotly.js inside the page."""
    folder.mkdir()
    figure = go.Figure(go.Scatter(x=[1e-8, 1e-7], y=[0.04, 0.05]), go.Layout(title="landscape of S=40"))
    figure.write_html(folder / "landscape.html", include_plotlyjs=True)
    return folder


def _open_table(page: Page, url: str, *, row: str) -> None:
    """Open a table of runs, and close the assistant that hides a quarter of it on a fresh profile."""
    page.goto(url)
    expect(page.get_by_role("link", name=row, exact=True)).to_be_visible()
    page.locator("[data-component-id='mlflow.assistant.chat_panel.close']").click()
    expect(page.locator("[data-component-id='mlflow.assistant.chat_panel.close']")).to_have_count(0)


def _headers(page: Page) -> list[str]:
    """Return the names of the columns that the view chose, from left to right."""
    cells = page.locator(".ag-header-viewport .ag-header-cell[col-id]").all()
    placed = [(cell.bounding_box(), cell.inner_text().strip()) for cell in cells]
    return [name for box, name in sorted(((box["x"] if box else -1.0, name) for box, name in placed)) if name]


def _column(page: Page, key: str) -> list[str]:
    """Return the texts of a column from top to bottom; a run's name comes after its colour."""
    cells = page.locator(f'.ag-row [col-id="{key}"]').all()
    placed = [(cell.bounding_box(), cell.inner_text().strip().split("\n")[-1]) for cell in cells]
    return [text for _, text in sorted(((box["y"] if box else -1.0, text) for box, text in placed))]
