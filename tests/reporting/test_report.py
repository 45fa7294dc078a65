from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.records import StudyHistory
from nercc_tune.reporting.report import write_report
from tests.builders import study_history
from tests.fakes import finished_home, finished_result
from tests.reporting.test_page import Reading, read_page

_CODED = (np.eye(4).reshape(4, 2, 2), {"bacc": np.ones((6, 2, 2))})


@pytest.fixture(scope="module")
def history() -> StudyHistory:
    return study_history(stragglers=(40,))


def _page(folder: Path) -> Reading:
    return read_page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_comes_first_and_holds_every_figure(tmp_path: Path, history: StudyHistory) -> None:
    written = write_report(history, tmp_path, coded=_CODED)
    names = ["stragglers", "smoothing", "landscape", "history", "coded_queries"]
    figures = [tmp_path / "figures" / f"{name}.png" for name in names]
    figures.append(tmp_path / "figures" / "interactive.html")
    assert written == [tmp_path / "report.html", tmp_path / "report.md", *figures]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(figures)
    page = _page(tmp_path)
    kinds = [image["src"].partition(",")[0] for image in page.all("img")]
    assert kinds == ["data:image/svg+xml"] * 4 + ["data:image/png;base64"]
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.all("figcaption")) == len(names)


def test_equal_results_give_equal_bytes_also_without_the_queries(tmp_path: Path, history: StudyHistory) -> None:
    write_report(history, tmp_path, coded=_CODED)
    first = (tmp_path / "report.html").read_bytes()
    assert tmp_path / "figures" / "coded_queries.png" in write_report(history, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first


def test_figures_are_written_in_the_formats_that_are_asked_for(tmp_path: Path) -> None:
    history = study_history(stragglers=(40,), is_judged=False)
    written = write_report(history, tmp_path, formats=("pdf",))
    assert {path.suffix for path in written[2:]} == {".pdf", ".html"}
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".pdf", ".html"}
    assert "figures/history.pdf" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert len(_page(tmp_path).all("img")) == 3


def test_a_study_without_trials_has_a_page(tmp_path: Path) -> None:
    history = replace(study_history(stragglers=(40,), is_judged=False), provenance=None)
    history = replace(history, cells=(replace(history.cells[0], trials=()),))
    written = write_report(history, tmp_path)
    assert written == [tmp_path / "report.html", tmp_path / "report.md", tmp_path / "figures" / "interactive.html"]
    page = _page(tmp_path)
    assert "not finished" in page.text_of("strong")
    assert not page.all("img")


def test_what_a_study_file_names_is_shown_as_text(tmp_path: Path) -> None:
    history = study_history(stragglers=(40,), is_judged=False)
    odd = '<img src="https://host/x.png">![y](https://host/y.png)[z](https://host)'
    cells = tuple(replace(cell, trials=cell.trials[-1:]) for cell in history.cells)
    history = replace(history, cells=cells, workload=replace(history.workload, model=odd, weights_source=odd))
    write_report(history, tmp_path)
    page = _page(tmp_path)
    assert not page.all("img")
    assert any(odd in text for text in page.text_of("p"))
    assert any(odd in text for text in page.text_of("li"))


def test_a_launch_leaves_the_page_of_its_study(tmp_path: Path) -> None:
    page = _page(finished_home(tmp_path).study("tiny"))
    assert page.text_of("h1") == ["Study"]
    assert "nercc-tune launch tiny.toml" in page.text_of("code")
    provenance = finished_result().history.provenance
    assert provenance is not None
    assert any(f"device: {provenance.device}" in text for text in page.text_of("li"))
