from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from numpy.typing import NDArray

from nercc_tune.records import Design, Option, TrialRecord
from nercc_tune.reporting.landscape import figure_landscape
from nercc_tune.reporting.style import CODES
from tests.builders import ENCODERS, GRID, score, study_history
from tests.reporting.panels import colour, draw, is_inside, legend, marked, panels
from tests.variants import SORTED, in_ranges


def _mesh(axes: Axes) -> QuadMesh:
    (mesh,) = [item for item in axes.collections if isinstance(item, QuadMesh)]
    return mesh


def _values(axes: Axes) -> NDArray[np.float64]:
    """Return the values of the cells; those left blank are NaN."""
    shown = _mesh(axes).get_array()
    assert shown is not None
    return np.where(np.ma.getmaskarray(shown), np.nan, np.ma.getdata(shown))


def _edges(axes: Axes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    corners = np.asarray(_mesh(axes).get_coordinates())
    return corners[0, :, 0], corners[:, 0, 1]


def _value_at(axes: Axes, *, lambda_enc: float, lambda_dec: float) -> float:
    """Return the value of the cell of colour that a point lies in."""
    columns, rows = _edges(axes)
    return float(_values(axes)[np.searchsorted(rows, lambda_enc) - 1, np.searchsorted(columns, lambda_dec) - 1])


def test_every_value_is_in_the_cell_of_its_pair() -> None:
    history = study_history(stragglers=(20, 80))
    for axes, cell in zip(panels(figure_landscape(history)), history.cells, strict=True):
        for trial in cell.trials:
            for smoothing, mse in zip(GRID, trial.profile, strict=False):
                value = _value_at(axes, lambda_enc=trial.lambda_enc, lambda_dec=smoothing)
                assert value == pytest.approx(np.log10(mse), rel=1e-12)


def test_zero_stands_apart_from_the_logarithmic_part() -> None:
    axes = panels(draw(figure_landscape(study_history(stragglers=(20, 80)))))[0]
    blanks = np.isnan(_values(axes))
    assert blanks.shape == (len(ENCODERS) + 1, len(GRID) + 1)
    assert blanks[1, :].all()
    assert blanks[:, 1].all()
    assert not np.delete(np.delete(blanks, 1, axis=0), 1, axis=1).any()
    assert axes.get_xticks()[0] == axes.get_yticks()[0] == 0.0


def test_cell_edges_are_halfway_in_log() -> None:
    _, rows = _edges(panels(figure_landscape(study_history(stragglers=(20, 80))))[0])
    assert rows[3:-1] == pytest.approx(np.sqrt(np.array(ENCODERS[1:-1]) * np.array(ENCODERS[2:])))


def test_order_of_trials_and_repeats_do_not_matter() -> None:
    history = study_history(stragglers=(40,))
    cell = history.cells[0]
    repeat = replace(cell.trials[3], number=30, proposal=30)
    other = replace(history, cells=(replace(cell, trials=(*cell.trials[::-1], repeat)),))
    first, second = (_values(panels(figure_landscape(item))[0]) for item in (history, other))
    np.testing.assert_array_equal(first, second)


def test_trials_choice_and_policy_are_marked() -> None:
    history = study_history(stragglers=(20, 80))
    assert history.policy is not None
    for index, axes in enumerate(panels(figure_landscape(history))):
        cell, policy = history.cells[index], history.policy.entries[index]
        assert cell.entry is not None
        complete = [trial for trial in cell.trials if trial.is_complete]
        assert marked(axes, "trial") == [(trial.lambda_dec, trial.lambda_enc) for trial in complete]
        assert marked(axes, "failed") == [(1e-8, 5e-3)]
        assert marked(axes, "tuned") == [(cell.entry.lambda_dec, cell.entry.lambda_enc)]
        assert marked(axes, "policy") == [(policy.lambda_dec, history.policy.lambda_enc)]
        assert marked(axes, "nercc_ag") == [(0.0, 0.0)]


def test_a_trial_stands_where_the_design_that_is_shown_has_it() -> None:
    """Its own λ_dec is that of another decode space; and a failure of another ordering is no matter of this map."""
    history = study_history(stragglers=(40,))
    cell = history.cells[0]
    option = Option(assignment="identity", decode_space="probabilities", lambda_dec=1e-9, score=score(0.1), profile=())
    changed = replace(cell.trials[3], design=Design(decode_space="logits"), lambda_dec=3e-3, others=(option,))
    failed = replace(cell.trials[-1], design=SORTED)
    cell = replace(cell, trials=(*cell.trials[:3], changed, *cell.trials[4:-1], failed))
    figure = figure_landscape(replace(history, cells=(cell,)))
    (axes,) = panels(figure)
    assert marked(axes, "trial")[3] == (1e-9, changed.lambda_enc)
    assert len(marked(axes, "trial")) == len(ENCODERS)
    assert marked(axes, "failed") == []
    assert "failed trial" not in legend(figure)


def test_marks_lie_within_the_panel() -> None:
    history = study_history(stragglers=(40,))
    assert history.policy is not None
    far = replace(history.policy, lambda_enc=1e3, entries=(replace(history.policy.entries[0], lambda_dec=1e-17),))
    axes = panels(draw(figure_landscape(replace(history, policy=far))))[0]
    (x, y) = marked(axes, "policy")[0]
    assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
    assert axes.get_ylim()[0] < y < axes.get_ylim()[1]


def test_codes_have_their_colours() -> None:
    handles = legend(figure_landscape(study_history(stragglers=(20, 80))))
    for name in ("tuned", "policy", "nercc_ag"):
        assert colour(handles[CODES[name].label]) == CODES[name].colour


def test_colours_end_at_ten_times_the_least() -> None:
    for axes in panels(figure_landscape(study_history(stragglers=(20, 80)))):
        least, highest = _mesh(axes).get_clim()
        assert least is not None
        assert highest is not None
        assert least < highest <= least + 1


def test_colours_reach_the_origin_however_much_was_gained() -> None:
    history = study_history(stragglers=(40,))
    cell = history.cells[0]
    origin = score(10 * max(cell.trials[0].profile))
    deep = tuple(replace(trial, profile=(1e-9, *trial.profile[1:])) for trial in cell.trials[:-1])
    cell = replace(cell, trials=deep, baselines={"nercc_ag": origin})
    (axes,) = panels(figure_landscape(replace(history, cells=(cell,))))
    assert _mesh(axes).get_clim() == pytest.approx((-9, np.nanmax(_values(axes))))
    cell = replace(cell, baselines={"nercc_ag": score(1e-5)})
    (axes,) = panels(figure_landscape(replace(history, cells=(cell,))))
    assert _mesh(axes).get_clim() == pytest.approx((-9, -5))


def test_axes_and_bar_are_named() -> None:
    figure = figure_landscape(study_history(stragglers=(40,)))
    (axes,) = panels(figure)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("λ$_{dec}$", "λ$_{enc}$")
    assert axes.get_title(loc="left") == "S = 40"
    ranges = panels(figure_landscape(in_ranges(study_history(stragglers=(20, 40)))))
    assert [axes.get_title(loc="left") for axes in ranges] == ["S = 0–20", "S = 21–40"]
    assert [bar.get_ylabel() for bar in figure.axes if bar is not axes] == ["log$_{10}$ MSE"]


@pytest.mark.parametrize("counts", [(40,), (20, 40, 80, 100, 120)])
def test_everything_lies_within_the_figure(counts: tuple[int, ...]) -> None:
    assert is_inside(draw(figure_landscape(study_history(stragglers=counts))))


def test_an_unfinished_study_has_neither_policy_nor_choice() -> None:
    figure = draw(figure_landscape(study_history(is_judged=False, stragglers=(40,))))
    assert CODES["policy"].label not in legend(figure)
    assert "best so far" in legend(figure)


@pytest.mark.parametrize(("kept", "rows"), [(slice(0, 1), 1), (slice(1, 2), 1), (slice(0, 2), 3), (slice(10, 11), 0)])
def test_few_trials_draw(kept: slice, rows: int) -> None:
    history = study_history(is_judged=False, stragglers=(40,))
    trials = history.cells[0].trials[kept]
    figure = draw(figure_landscape(replace(history, cells=(replace(history.cells[0], trials=trials),))))
    axes = panels(figure)[0]
    meshes = [item for item in axes.collections if isinstance(item, QuadMesh)]
    assert len(meshes) == bool(rows)
    assert not rows or len(_values(axes)) == rows


def test_the_row_of_zero_stays_in_its_strip() -> None:
    history = study_history(is_judged=False, stragglers=(20, 40))
    first = replace(history.cells[0], trials=history.cells[0].trials[:1])
    axes = panels(figure_landscape(replace(history, cells=(first, history.cells[1]))))[0]
    _, rows = _edges(axes)
    assert rows[-1] < min(ENCODERS[1:])


def test_an_mse_of_zero_is_shown_as_the_least_of_the_others() -> None:
    history = study_history(stragglers=(40,))

    def perfect(trial: TrialRecord) -> TrialRecord:
        return replace(trial, profile=(0.0, *trial.profile[1:])) if trial.profile else trial

    cell = replace(history.cells[0], trials=tuple(map(perfect, history.cells[0].trials)))
    axes = panels(draw(figure_landscape(replace(history, cells=(cell,)))))[0]
    least = min(min(trial.profile[1:]) for trial in cell.trials if trial.profile)
    assert _value_at(axes, lambda_enc=0.0, lambda_dec=0.0) == pytest.approx(np.log10(least))


def test_an_mse_of_zero_everywhere_draws() -> None:
    history = study_history(stragglers=(40,))
    flat = tuple(replace(trial, profile=(0.0,) * len(trial.profile)) for trial in history.cells[0].trials)
    draw(figure_landscape(replace(history, cells=(replace(history.cells[0], trials=flat),))))
