from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from nercc_tune.export.table import TunedTable
from nercc_tune.records import StudyHistory
from nercc_tune.reporting.figures import FigureFormat, draw_figures, write_figures
from tests.builders import study_history, tuned_table
from tests.variants import pareto_study, random_table, with_waiting

_CODED = (np.eye(4).reshape(4, 2, 2), {"bacc": np.ones((6, 2, 2))})


def test_all_figures_are_written_and_returned(tmp_path: Path) -> None:
    history, table = study_history(stragglers=(40,)), tuned_table(stragglers=(40,))
    written = write_figures(history, table, tmp_path / "new", coded=_CODED)
    names = ["stragglers", "smoothing", "landscape", "history", "coded_queries"]
    assert written == [tmp_path / "new" / f"{name}.png" for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert sorted(written) == sorted((tmp_path / "new").iterdir())


def test_no_figure_is_left_with_pyplot() -> None:
    for draw in draw_figures(study_history(stragglers=(40,)), tuned_table(stragglers=(40,))).values():
        draw()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_an_unfinished_study_has_no_figure_against_stragglers() -> None:
    assert list(draw_figures(study_history(is_judged=False), None)) == ["smoothing", "landscape", "history"]


def test_figures_that_need_waiting_times_or_two_goals_are_drawn_where_they_apply(tmp_path: Path) -> None:
    history, table = study_history(stragglers=(40,)), tuned_table(stragglers=(40,))
    assert not {"waiting", "front"} & set(draw_figures(history, table))
    assert list(draw_figures(history, with_waiting(table)))[:2] == ["stragglers", "waiting"]
    assert "waiting" not in draw_figures(history, random_table())
    pareto = pareto_study(stragglers=(40,))
    written = write_figures(pareto, with_waiting(TunedTable.from_history(pareto)), tmp_path)
    assert {"waiting.png", "front.png"} < {path.name for path in written}
    assert "front" in draw_figures(pareto_study(is_judged=False), None)


def test_a_study_without_scores_has_no_figures() -> None:
    history = study_history(is_judged=False)
    cells = tuple(replace(cell, trials=cell.trials[-1:]) for cell in history.cells)
    assert not draw_figures(replace(history, cells=cells), None)
    assert not draw_figures(replace(history, cells=()), None)


def _write_twice(tmp_path: Path, history: StudyHistory, *formats: FigureFormat) -> list[tuple[bytes, bytes]]:
    runs = [write_figures(history, None, tmp_path / run, coded=_CODED, formats=formats) for run in ("first", "second")]
    return [(first.read_bytes(), second.read_bytes()) for first, second in zip(*runs, strict=True)]


def test_equal_results_give_equal_vector_figures(tmp_path: Path) -> None:
    history = study_history(stragglers=(40,))
    assert all(first == second for first, second in _write_twice(tmp_path, history, "svg"))


def test_equal_results_give_equal_bytes_in_every_format(tmp_path: Path) -> None:
    pairs = _write_twice(tmp_path, replace(study_history(), cells=()), "png", "svg", "pdf")
    assert len(pairs) == 3
    for first, second in pairs:
        assert first == second
        assert not any(word in first for word in (b"dc:date", b"CreationDate", b"Software"))


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`formats` must be of png, svg, pdf, but got 'gif'"):
        write_figures(study_history(), None, tmp_path / "new", formats=("gif",))  # type: ignore[arg-type]  # the point
    assert not (tmp_path / "new").exists()


def test_a_file_holds_what_matplotlib_itself_writes(tmp_path: Path) -> None:
    history, table = study_history(stragglers=(40,)), tuned_table(stragglers=(40,))
    written = write_figures(history, table, tmp_path, coded=_CODED, formats=("svg", "png"))
    for name, draw in draw_figures(history, table, coded=_CODED).items():
        draw().savefig(tmp_path / "whole.png", metadata={"Software": None})
        assert (tmp_path / f"{name}.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert len(written) == 10


def test_a_figure_is_laid_out_once_for_all_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out: list[object] = []
    execute = ConstrainedLayoutEngine.execute

    def count(engine: ConstrainedLayoutEngine, fig: Figure) -> None:
        laid_out.append(fig)
        execute(engine, fig)

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", count)
    write_figures(study_history(stragglers=(40,)), None, tmp_path, formats=("png", "svg", "pdf"))
    assert len(laid_out) == len(set(map(id, laid_out))) == 3
