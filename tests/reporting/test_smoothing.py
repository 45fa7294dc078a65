from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes

from nercc_tune.records import StudyHistory
from nercc_tune.reporting.smoothing import figure_smoothing
from nercc_tune.reporting.style import CODES
from tests.builders import ENCODERS, GRID, score, study_history
from tests.reporting.panels import colour, draw, is_inside, legend, marked, panels, points
from tests.variants import SORTED, in_ranges


def _profile(axes: Axes) -> dict[float, float]:
    lines = [line for line in axes.lines if line.get_marker() == "."]
    return dict(point for line in lines for point in points(line))


def _with_first(history: StudyHistory, **changes: object) -> StudyHistory:
    first = replace(history.cells[0], **changes)  # type: ignore[arg-type]  # the tests name fields and fitting values
    return replace(history, cells=(first, *history.cells[1:]))


def test_the_left_panels_show_the_profile_of_the_best_trial() -> None:
    history = study_history(stragglers=(20, 80))
    for axes, cell in zip(panels(figure_smoothing(history))[::2], history.cells, strict=True):
        assert cell.best is not None
        assert _profile(axes) == dict(zip(GRID, cell.best.profile, strict=True))


def test_the_right_panels_show_the_least_mse_of_each_encoder() -> None:
    history = study_history(stragglers=(20, 80))
    for axes, cell in zip(panels(figure_smoothing(history))[1::2], history.cells, strict=True):
        expected = {trial.lambda_enc: min(trial.profile) for trial in cell.trials if trial.is_complete}
        assert _profile(axes) == expected
        assert set(expected) == set(ENCODERS)


def test_trials_at_one_encoder_show_the_least_of_all() -> None:
    history = study_history(stragglers=(40,))
    trial = history.cells[0].trials[0]
    better = replace(trial, number=20, proposal=20, lambda_dec=1.7e-8, score=score(0.001))
    history = _with_first(history, trials=(*history.cells[0].trials, better))
    assert _profile(panels(figure_smoothing(history))[1])[0.0] == 0.001


def test_trials_of_another_design_are_left_out() -> None:
    history = study_history(stragglers=(40,))
    trial = history.cells[0].trials[3]
    other = replace(trial, number=20, proposal=20, design=SORTED, profile=(1e-6,) * len(GRID), score=score(0.9))
    history = _with_first(history, trials=(*history.cells[0].trials, other))
    expected = {item.lambda_enc: min(item.profile) for item in history.cells[0].trials[:-2]}
    assert _profile(panels(figure_smoothing(history))[1]) == expected


def test_a_range_of_stragglers_is_named() -> None:
    left, right, *_ = panels(figure_smoothing(in_ranges(study_history(stragglers=(20, 40)))))
    assert left.get_title(loc="left").startswith("S = 0–20, ")
    assert right.get_title(loc="left").startswith("S = 0–20, ")


def test_zero_has_its_place_left_of_the_logarithmic_part() -> None:
    for axes in panels(draw(figure_smoothing(study_history(stragglers=(20, 80))))):
        positions = axes.transData.transform([(value, 0.1) for value in (0.0, *axes.get_xticks()[1:])])[:, 0]
        assert axes.get_xticks()[0] == 0.0
        assert axes.get_xticklabels()[0].get_text() == "0"
        assert (positions[1:] > positions[:-1]).all()
        assert axes.get_xlim()[0] < 0


@pytest.mark.parametrize("name", ["bacc", "nercc_ag"])
def test_the_horizontal_lines_are_the_baselines_on_the_tuning_draws(name: str) -> None:
    history = study_history(stragglers=(20, 80))
    for index, axes in enumerate(panels(figure_smoothing(history))):
        levels = [points(line)[0][1] for line in axes.lines if colour(line) == CODES[name].colour]
        assert levels == [history.cells[index // 2].baselines[name].mse]


def test_the_chosen_pair_is_marked() -> None:
    history = study_history(stragglers=(20, 80))
    left, right = panels(figure_smoothing(history))[:2]
    entry = history.cells[0].entry
    assert entry is not None
    assert marked(left, "chosen") == [(entry.lambda_dec, entry.tuning.mse)]
    assert marked(right, "chosen") == [(entry.lambda_enc, entry.tuning.mse)]


def test_an_unfinished_study_marks_the_best_so_far() -> None:
    history = study_history(is_judged=False)
    figure = figure_smoothing(history)
    best = history.cells[0].best
    assert best is not None
    assert best.score is not None
    assert "best so far" in legend(figure)
    assert marked(panels(figure)[0], "chosen") == [(best.lambda_dec, best.score.mse)]


def test_the_valley_fills_the_panel_whatever_over_smoothing_costs() -> None:
    history = study_history(stragglers=(20, 80))
    for index, axes in enumerate(panels(figure_smoothing(history))):
        cell = history.cells[index // 2]
        assert cell.best is not None
        assert cell.best.score is not None
        bottom, top = axes.get_ylim()
        assert bottom < cell.best.score.mse
        assert top == pytest.approx(2 * cell.baselines["bacc"].mse)


def test_axes_carry_the_names_of_the_vocabulary() -> None:
    figure = figure_smoothing(study_history(stragglers=(40,)))
    left, right = panels(figure)
    assert left.get_ylabel() == "MSE"
    assert (left.get_xlabel(), right.get_xlabel()) == ("λ$_{dec}$", "λ$_{enc}$")
    assert left.get_title(loc="left") == "S = 40, λ$_{enc}$ = 4e-07"


def test_everything_lies_within_the_figure() -> None:
    assert is_inside(draw(figure_smoothing(study_history(stragglers=(20, 40)))))


def test_a_cell_without_a_score_says_so() -> None:
    history = study_history(is_judged=False, stragglers=(20, 40))
    history = _with_first(history, trials=(history.cells[0].trials[-1],), baselines={})
    left, right, *_ = panels(draw(figure_smoothing(history)))
    assert [text.get_text() for axes in (left, right) for text in axes.texts] == ["no completed trial"] * 2


def test_a_study_with_the_first_proposal_alone_draws() -> None:
    history = study_history(is_judged=False, stragglers=(40,))
    history = _with_first(history, trials=history.cells[0].trials[:1])
    right = panels(draw(figure_smoothing(history)))[1]
    assert list(right.get_xticks()) == [0.0]
    assert list(_profile(right)) == [0.0]
