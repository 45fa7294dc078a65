from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from nercc_tune.records import Design, Goal, Option, Surface
from nercc_tune.reporting.interactive import plot_landscape, recorded_surface
from nercc_tune.reporting.interactive.lambda_axis import LambdaAxis
from nercc_tune.reporting.style import CODES
from tests.builders import ENCODERS, GRID, cell_history, judged, landscape, pruned, score, study_history, trial
from tests.reporting.interactive.traces import check, named, names, plain, points

LOGITS = Design(decode_space="logits")


def _surface(stragglers: int = 40, *, goal: Goal | None = None) -> Surface:
    surface = recorded_surface(cell_history(stragglers, goal=goal), grid=GRID)
    assert surface is not None
    return surface


def _figure(*, is_judged: bool = True) -> go.Figure:
    history = study_history(stragglers=(40,), is_judged=is_judged)
    figure = plot_landscape(_surface(), history.cells[0], policy=history.policy)
    check(figure)
    return figure


def _at(lambda_enc: float, lambda_dec: float) -> tuple[float, float]:
    """Return where a pair must lie."""
    decoder = LambdaAxis.around((*GRID, 1e-8, 10**-7.5))
    encoder = LambdaAxis.around((*ENCODERS, 5e-3))
    return decoder.place(lambda_dec), encoder.place(lambda_enc)


def test_every_value_is_in_the_cell_of_its_pair() -> None:
    surface, heat = _surface(), named(_figure(), "surface")
    x, y, z, said = (np.array(part) for part in (heat.x, heat.y, heat.z, heat.customdata))
    for row, lambda_enc in enumerate(surface.lambda_encs):
        for column, lambda_dec in enumerate(surface.lambda_decs):
            place = _at(lambda_enc, lambda_dec)
            cell = np.searchsorted(y, place[1]) - 1, np.searchsorted(x, place[0]) - 1
            value = surface.values[row][column]
            assert z[cell] == pytest.approx(np.log10(value), rel=1e-12)
            assert said[cell] == pytest.approx([lambda_enc, lambda_dec, value])


def test_zero_stands_apart() -> None:
    blanks = np.isnan(np.array(named(_figure(), "surface").z))
    assert blanks.shape == (len(ENCODERS) + 1, len(GRID) + 1)
    assert blanks[1].all()
    assert blanks[:, 1].all()
    assert not np.delete(np.delete(blanks, 1, axis=0), 1, axis=1).any()


def test_trials_choice_and_policy_are_marked() -> None:
    history, figure = study_history(stragglers=(40,)), _figure()
    entry, policy = history.cells[0].entry, history.policy
    assert entry is not None
    assert policy is not None
    trials = [trial for trial in history.cells[0].trials if trial.is_complete]
    assert points(named(figure, "trials")) == [_at(item.lambda_enc, item.lambda_dec) for item in trials]
    assert list(named(figure, "trials").customdata) == [item.proposal for item in trials]
    assert points(named(figure, "failed")) == [_at(5e-3, 1e-8)]
    assert points(named(figure, "chosen")) == [_at(entry.lambda_enc, entry.lambda_dec)]
    assert points(named(figure, "policy")) == [_at(policy.lambda_enc, policy.entries[0].lambda_dec)]
    assert points(named(figure, "(0, 0)")) == [_at(0.0, 0.0)]


def test_the_path_goes_through_the_best_so_far() -> None:
    history, figure = study_history(stragglers=(40,)), _figure()
    best, expected = float("inf"), []
    for item in history.cells[0].trials:
        if item.score and item.score.mse < best:
            best = item.score.mse
            expected.append(_at(item.lambda_enc, item.lambda_dec))
    assert 1 < len(expected) < len(ENCODERS)
    assert points(named(figure, "search path")) == expected


def test_names_and_colours_are_those_of_the_house() -> None:
    figure = _figure()
    assert names(figure)[-6:] == ["trials", "failed", "search path", "(0, 0)", "policy", "chosen"]
    assert named(figure, "chosen").marker.color == CODES["tuned"].colour
    assert named(figure, "chosen").marker.symbol == "star"
    assert named(figure, "policy").marker.color == CODES["policy"].colour
    assert named(figure, "policy").marker.symbol == "square-open"
    assert figure.layout.xaxis.title.text == "λ<sub>dec</sub>"
    assert figure.layout.yaxis.title.text == "λ<sub>enc</sub>"


def test_a_hover_says_proposal_pair_metrics_and_state() -> None:
    figure = _figure()
    text = plain(named(figure, "trials").hovertext[1])
    for part in ("proposal 1", "complete", "= 3e-12", "= 1e-07", "MSE", "RelAcc 0.98", "agreement 0.97", "chebyshev"):
        assert part in text
    assert "failed: OutputError: outputs are not finite" in plain(named(figure, "failed").hovertext[0])
    assert "chosen" in named(figure, "chosen").hovertext[0]


def test_a_reason_is_no_markup() -> None:
    cell = cell_history(40)
    failed = replace(cell.trials[-1], reason="<b>bad</b> & <script>")
    figure = plot_landscape(_surface(), replace(cell, trials=(*cell.trials[:-1], failed)))
    assert "&lt;script&gt;" in named(figure, "failed").hovertext[0]


def test_a_pruned_trial_has_another_mark_than_one_that_failed() -> None:
    cell = cell_history(40)
    lost = pruned(replace(cell.trials[3], number=20, proposal=20))
    trace = named(plot_landscape(_surface(), replace(cell, trials=(*cell.trials, lost))), "failed")
    assert list(trace.marker.symbol) == ["x", "triangle-down-open"]
    assert "pruned after 2 blocks" in trace.hovertext[1]


def test_before_it_is_judged_the_best_so_far_is_shown() -> None:
    figure = _figure(is_judged=False)
    assert "best so far" in named(figure, "chosen").hovertext[0]
    assert "policy" not in names(figure)


def test_of_another_design_only_its_own_trials_are_shown() -> None:
    history = study_history(stragglers=(40,))
    cell = history.cells[0]
    option = Option(assignment="identity", decode_space="logits", lambda_dec=1e-5, score=score(0.02), profile=())
    trials = (cell.trials[0], replace(cell.trials[1], others=(option,)), *cell.trials[2:])
    surface = replace(_surface(), design=LOGITS)
    figure = plot_landscape(surface, replace(cell, trials=trials), policy=history.policy)
    assert [x for x, _ in points(named(figure, "trials"))] == pytest.approx([-5])
    assert {"policy", "chosen", "search path"}.isdisjoint(names(figure))


def test_a_row_of_zero_is_needed_for_the_origin() -> None:
    surface = _surface()
    surface = replace(surface, lambda_encs=surface.lambda_encs[1:], values=surface.values[1:])
    assert "(0, 0)" not in names(plot_landscape(surface, cell_history(40)))


def test_errors_are_coloured_by_their_logarithm_up_to_ten_times_the_least() -> None:
    surface, heat = _surface(), named(_figure(), "surface")
    least = np.log10(np.min(surface.values))
    assert heat.zmin == pytest.approx(least)
    assert least < heat.zmax <= least + 1
    assert not heat.reversescale
    assert heat.colorbar.title.text == "MSE"
    assert [np.log10(float(text)) for text in heat.colorbar.ticktext] == pytest.approx(list(heat.colorbar.tickvals))


def test_the_colours_reach_the_origin() -> None:
    cell = cell_history(40)
    surface = replace(_surface(), values=((1e-9, *_surface().values[0][1:]), *_surface().values[1:]))
    heat = named(plot_landscape(surface, replace(cell, baselines={"nercc_ag": score(1e-4)})), "surface")
    assert (heat.zmin, heat.zmax) == pytest.approx((-9, -4))


@pytest.mark.parametrize("metric", ["rel_acc", "agreement"])
def test_shares_are_coloured_as_they_are_and_dark_where_they_are_high(metric: str) -> None:
    shares = tuple(tuple(1 / (1 + value) for value in row) for row in _surface().values)
    surface = Surface(
        metric="rel_acc" if metric == "rel_acc" else "agreement",
        design=Design(),
        lambda_encs=_surface().lambda_encs,
        lambda_decs=GRID,
        values=shares,
    )
    heat = named(plot_landscape(surface, cell_history(40)), "surface")
    assert heat.reversescale
    assert heat.zmax == pytest.approx(np.max(shares))
    assert np.nanmax(np.array(heat.z)) == pytest.approx(np.max(shares))


def test_what_is_not_defined_is_left_blank() -> None:
    nothing = tuple(tuple(float("nan") for _ in row) for row in _surface().values)
    figure = plot_landscape(replace(_surface(), metric="rel_acc", values=nothing), cell_history(40))
    assert "trials" in names(figure)
    assert "surface" not in [trace.name for trace in figure.data]


def test_an_error_of_zero_is_shown_as_the_least_of_the_others() -> None:
    surface = _surface()
    surface = replace(surface, values=((0.0, *surface.values[0][1:]), *surface.values[1:]))
    heat = named(plot_landscape(surface, cell_history(40)), "surface")
    assert np.array(heat.z)[0, 0] == pytest.approx(heat.zmin)
    assert np.isfinite(heat.zmin)
    flat = replace(surface, values=tuple((0.0,) * len(GRID) for _ in surface.values))
    check(plot_landscape(flat, cell_history(40)))


def test_a_policy_outside_the_surface_is_in_sight() -> None:
    history = study_history(stragglers=(40,))
    assert history.policy is not None
    far = replace(history.policy, lambda_enc=1e3, entries=(replace(history.policy.entries[0], lambda_dec=1e-17),))
    figure = plot_landscape(_surface(), history.cells[0], policy=far)
    ((x, y),) = points(named(figure, "policy"))
    assert figure.layout.xaxis.range[0] < x < figure.layout.xaxis.range[1]
    assert figure.layout.yaxis.range[0] < y < figure.layout.yaxis.range[1]


def test_two_thousand_trials_are_quick_and_small() -> None:
    generator = np.random.default_rng(0)
    cell = cell_history(40)
    trials = []
    for number, lambda_enc in enumerate(10 ** generator.uniform(-12, 0, 2000)):
        profile = tuple(landscape(40, lambda_enc, value) for value in GRID)
        record = replace(trial(cell.cell, number, min(profile)), lambda_enc=float(lambda_enc), lambda_dec=1e-8)
        trials.append(replace(record, profile=profile))
    cell = judged(replace(cell, trials=tuple(trials)))
    started = time.process_time()
    surface = recorded_surface(cell, grid=GRID)
    assert surface is not None
    figure = plot_landscape(surface, cell)
    assert time.process_time() - started < 1.0  # measured 0.1
    assert len(surface.lambda_encs) == 2000
    heat = named(figure, "surface")
    assert len(heat.z) <= 300
    assert heat.zmin == pytest.approx(np.log10(np.min(surface.values)))
    assert len(figure.to_json()) < 2e6


def test_of_equal_trials_the_path_goes_through_the_first() -> None:
    cell = cell_history(40)
    assert cell.best is not None
    again = replace(cell.best, number=30, proposal=30, lambda_dec=1e-3)
    figures = [
        plot_landscape(_surface(), replace(cell, trials=trials)) for trials in (cell.trials, (*cell.trials, again))
    ]
    before, after = (named(figure, "search path") for figure in figures)
    assert points(before) == points(after)
