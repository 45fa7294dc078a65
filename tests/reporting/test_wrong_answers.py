from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from nercc_tune.export.table import TunedTable
from nercc_tune.records import WrongAnswers
from nercc_tune.reporting.captions import ALTERNATIVES, CAPTIONS
from nercc_tune.reporting.figures import draw_figures, write_figures
from nercc_tune.reporting.summary import summarise
from nercc_tune.reporting.wrong_answers import figure_wrong_answers, has_wrong_answers
from tests.builders import study_history, tuned_table
from tests.reporting.panels import draw, is_inside, legend, marked, panels
from tests.variants import FOUND, with_wrong_answers


@pytest.fixture(scope="module")
def table() -> TunedTable:
    return TunedTable.from_history(with_wrong_answers(study_history(stragglers=(20, 80))))


def _judged(table: TunedTable, at: int) -> WrongAnswers:
    judged = table.entries[at].wrong_answers
    assert judged is not None
    return judged


def _lengths(axes: Axes) -> list[float]:
    return [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]


def _texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_each_count_has_a_row_and_each_kind_a_line(table: TunedTable) -> None:
    drawn = panels(draw(figure_wrong_answers(table)))
    assert len(drawn) == 6
    assert [axes.get_title(loc="left") for axes in drawn[::3]] == ["S = 20: found", "S = 80: found"]
    for first in drawn[::3]:
        assert [label.get_text() for label in first.get_yticklabels()] == [*FOUND, "none wrong"]
    assert drawn[-1].get_xlabel() == "MSE (probabilities)"


def test_bars_are_the_shares_and_say_them(table: TunedTable) -> None:
    drawn = panels(figure_wrong_answers(table))
    for at in range(2):
        judged, (found, accused, _) = _judged(table, at), drawn[3 * at : 3 * at + 3]
        assert _lengths(found) == [*(item.found_share for item in judged.detections), 0.0]
        assert _lengths(accused) == [*(item.accused_share for item in judged.detections), judged.false_alarms]
        assert _texts(accused)[0] == "0.03 %"
        assert _texts(found)[-1] == "–"


def test_errors_stand_beside_the_oracles_with_their_intervals(table: TunedTable) -> None:
    axes, judged = panels(figure_wrong_answers(table))[2], _judged(table, 0)
    errors = [*(item.prob_mse for item in judged.detections), judged.none_wrong]
    assert [x for x, _ in marked(axes, "tuned NeRCC")] == [error.mean for error in errors]
    assert [x for x, _ in marked(axes, "told which are wrong")] == [item.oracle.mean for item in judged.detections]
    ((believing, place),) = marked(axes, "believing all")
    assert (believing, round(place)) == (judged.none_wrong_trusting.mean, len(FOUND))
    paths = [np.asarray(path.vertices) for bars in axes.collections for path in bars.get_paths()]
    ends = np.concatenate(paths)[:, 0]
    for error in [*errors, judged.none_wrong_trusting, *(item.oracle for item in judged.detections)]:
        assert abs(ends - error.low).min() < 1e-12
        assert abs(ends - error.high).min() < 1e-12


def test_the_first_line_is_the_topmost(table: TunedTable) -> None:
    low, high = panels(figure_wrong_answers(table))[0].get_ylim()
    assert low > high


def test_errors_of_all_sizes_are_drawn_on_a_logarithmic_axis(table: TunedTable) -> None:
    judged = _judged(table, 0)
    worst = replace(judged.detections[0].prob_mse, mean=5.0, low=4.0, high=6.0)
    missed = replace(judged, detections=(replace(judged.detections[0], prob_mse=worst), *judged.detections[1:]))
    odd = replace(table, entries=(replace(table.entries[0], wrong_answers=missed), table.entries[1]))
    assert [axes.get_xscale() for axes in panels(figure_wrong_answers(odd))[2::3]] == ["log", "linear"]


def test_nobody_accused_leaves_an_empty_panel_that_says_so(table: TunedTable) -> None:
    judged = _judged(table, 0)
    none = replace(judged, detections=tuple(replace(item, accused=0) for item in judged.detections), false_alarms=0.0)
    figure = draw(figure_wrong_answers(replace(table, entries=(replace(table.entries[0], wrong_answers=none),))))
    assert _texts(panels(figure)[1]) == ["0 %"] * 5
    assert is_inside(figure)


def test_everything_lies_within_the_figure_and_has_a_legend(table: TunedTable) -> None:
    figure = draw(figure_wrong_answers(table))
    assert is_inside(figure)
    assert list(legend(figure)) == ["tuned NeRCC", "told which are wrong", "believing all"]


def test_it_is_in_the_report_of_a_study_with_wrong_answers(tmp_path: Path) -> None:
    history = with_wrong_answers(study_history(stragglers=(40,)))
    table = TunedTable.from_history(history)
    assert list(draw_figures(history, table))[:2] == ["stragglers", "wrong_answers"]
    assert "wrong_answers" not in draw_figures(study_history(), tuned_table())
    assert {"wrong_answers"} <= set(CAPTIONS) & set(ALTERNATIVES)
    assert tmp_path / "wrong_answers.png" in write_figures(replace(history, cells=()), table, tmp_path)
    report = summarise(history, table)
    assert CAPTIONS["wrong_answers"] in report
    assert "- wrong answers: 3 answers, others in every mask, in turn sign-flip, " in report
    assert "**Where no answer is wrong**" in report


def test_a_table_without_wrong_answers_is_refused() -> None:
    assert not has_wrong_answers(tuned_table())
    with pytest.raises(ValueError, match="`table` must hold what came of wrong answers, but got none"):
        figure_wrong_answers(tuned_table())
