from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.errors import HomeError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import StudyHistory
from nercc_tune.reporting.interactive import write_interactive
from tests.builders import searched, study, study_history

_LOADS = re.compile(r"""<(?:script|link|img|iframe)[^>]*\b(?:src|href)\s*=|@import|url\(""")


def _written(history: StudyHistory, folder: Path) -> str:
    table = TunedTable.from_history(history) if history.is_finished else None
    (path,) = write_interactive(history, table, folder)
    assert path == folder / "interactive.html"
    return path.read_text(encoding="utf-8")


def _own(page: str) -> str:
    """Return the page without plotly's code."""
    return page[page.index("</head>") :]


def test_all_figures_are_on_one_page_with_the_code_once(tmp_path: Path) -> None:
    page = _written(study_history(), tmp_path)
    divs = re.findall(r'<div id="([\w-]+)" class="plotly-graph-div"', page)
    assert divs == [f"landscape-{n}" for n in range(4)] + [f"stragglers-{n}" for n in range(3)] + ["history-0"]
    assert re.findall("<h2>(.*?)</h2>", page) == ["Landscape", "Stragglers", "History"]
    assert len(page) < 6e6
    assert page.count("<!DOCTYPE html>") == 1


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page = _written(study_history(stragglers=(40,)), tmp_path)
    head = page[: page.index("<script>")]
    assert not _LOADS.search(head + _own(page))
    assert "prefers-color-scheme: dark" in head
    assert _own(page).count('"showSendToCloud": false') == page.count('class="plotly-graph-div"')


def test_equal_studies_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (_written(study_history(), tmp_path / name) for name in ("a", "b"))
    assert first == second


def test_an_unfinished_study_has_no_figures_of_its_table(tmp_path: Path) -> None:
    page = _written(study_history(is_judged=False, stragglers=(40,)), tmp_path)
    assert re.findall("<h2>(.*?)</h2>", page) == ["Landscape", "History"]


def test_without_labels_there_is_no_rel_acc(tmp_path: Path) -> None:
    page = _written(study_history(stragglers=(40,), has_labels=False), tmp_path)
    assert 'id="stragglers-1"' in page
    assert 'id="stragglers-2"' not in page


def test_without_a_trial_it_is_only_a_heading(tmp_path: Path) -> None:
    page = _written(study(replace(searched(40), trials=())), tmp_path)
    assert "plotly-graph-div" not in page
    assert "not finished" in page


def test_what_a_record_says_is_no_markup(tmp_path: Path) -> None:
    history = study_history(stragglers=(40,), is_judged=False)
    cell = history.cells[0]
    bad = replace(cell.trials[-1], reason="</script><script>alert(1)</script>")
    workload = replace(history.workload, model="<i>m</i>")
    history = replace(history, workload=workload, cells=(replace(cell, trials=(*cell.trials[:-1], bad)),))
    page = _written(history, tmp_path)
    assert "<script>alert" not in page
    assert "<i>m</i>" not in _own(page)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="cannot be written"):
        write_interactive(study_history(stragglers=(40,)), None, tmp_path / "file")
