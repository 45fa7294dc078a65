from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import StudyHistory
from nercc_tune.reporting.convergence import figure_history
from nercc_tune.reporting.style import CODES
from tests.builders import pruned, score, study_history
from tests.reporting.panels import colour, draw, is_inside, legend, panels, points


def _line(history: StudyHistory, index: int = 0) -> list[tuple[float, float]]:
    (axes,) = panels(draw(figure_history(history)))
    return points([line for line in axes.lines if line.get_marker() == "."][index])


def _with_mse(*figures: float | None) -> StudyHistory:
    history = study_history(stragglers=(40,), is_judged=False)
    cell = history.cells[0]
    trials = tuple(
        replace(trial, score=None if mse is None else score(mse), reason=None if mse else "failed")
        for trial, mse in zip(cell.trials, figures, strict=False)
    )
    return replace(history, cells=(replace(cell, trials=trials, baselines={"nercc_ag": score(0.2)}),))


def test_the_line_is_the_least_mse_so_far_relative_to_the_origin() -> None:
    assert _line(_with_mse(0.2, 0.3, 0.1, 0.15, 0.05)) == [(0, 1.0), (1, 1.0), (2, 0.5), (3, 0.5), (4, 0.25)]


def test_a_failed_proposal_is_left_out_and_marked() -> None:
    history = _with_mse(0.2, None, 0.1, None)
    assert _line(history) == [(0, 1.0), (2, 0.5)]
    (axes,) = panels(figure_history(history))
    assert [points(line) for line in axes.lines if line.get_marker() == "x"] == [[(1, 1.0), (3, 0.5)]]
    assert "failed" in legend(figure_history(history))


def test_a_pruned_proposal_is_no_failure() -> None:
    history = _with_mse(0.2, 0.3, 0.1)
    cell = history.cells[0]
    cell = replace(cell, trials=(cell.trials[0], pruned(cell.trials[1]), cell.trials[2]))
    assert _line(replace(history, cells=(cell,))) == [(0, 1.0), (2, 0.5)]
    assert "failed" not in legend(figure_history(replace(history, cells=(cell,))))


def test_a_search_without_failures_has_no_such_mark() -> None:
    assert "failed" not in legend(figure_history(_with_mse(0.2, 0.1)))


def test_proposals_are_ordered_whatever_the_order_of_trials() -> None:
    history = _with_mse(0.2, 0.3, 0.1)
    cell = replace(history.cells[0], trials=history.cells[0].trials[::-1])
    assert _line(replace(history, cells=(cell,))) == _line(history)


def test_without_baseline_the_first_proposal_is_the_reference() -> None:
    history = _with_mse(0.4, 0.1)
    first = replace(history.cells[0].trials[0], lambda_enc=0.0, lambda_dec=0.0)
    cell = replace(history.cells[0], trials=(first, history.cells[0].trials[1]), baselines={})
    assert _line(replace(history, cells=(cell,))) == [(0, 1.0), (1, 0.25)]


@pytest.mark.parametrize("baselines", [{}, {"nercc_ag": score(0.0)}])
def test_without_a_reference_there_is_no_line(baselines: dict[str, object]) -> None:
    history = _with_mse(0.4, 0.1)
    cell = replace(history.cells[0], baselines=baselines)  # type: ignore[arg-type]  # scores, by their construction
    assert _line(replace(history, cells=(cell,))) == []


def test_there_is_a_line_for_each_cell_and_one_for_the_origin() -> None:
    figure = figure_history(study_history())
    assert list(legend(figure))[:5] == [CODES["nercc_ag"].label, "S = 20", "S = 40", "S = 80", "S = 120"]
    (axes,) = panels(figure)
    assert [colour(line) for line in axes.lines].count(CODES["nercc_ag"].colour) == 1
    assert not {colour(line) for line in axes.lines[1:]} & {style.colour for style in CODES.values()}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("proposal", "best MSE so far / MSE of (0, 0)")


def test_ticks_are_whole_proposals_even_for_one() -> None:
    (axes,) = panels(draw(figure_history(_with_mse(0.2))))
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_everything_lies_within_the_figure() -> None:
    assert is_inside(draw(figure_history(study_history(stragglers=tuple(range(10, 130, 10))))))
