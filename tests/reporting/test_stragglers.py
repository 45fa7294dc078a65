from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from nercc_tune.export.table import TunedTable
from nercc_tune.records import BASELINES, ERROR_BASELINES, Goal, Heldout, Interval
from nercc_tune.reporting.stragglers import figure_stragglers
from nercc_tune.reporting.style import CODES
from tests.builders import heldout, tuned_table
from tests.reporting.panels import colour, draw, is_inside, legend, panels, points
from tests.variants import random_table, with_frozen

# The tuned code has the design of the baselines, nobody lies, and the default prediction is in another figure.
_SHOWN = [code for code in CODES if code not in ("bacc_same_design", "default", *ERROR_BASELINES)]


def _heldouts(table: TunedTable, code: str) -> list[Heldout]:
    if code == "tuned":
        return [entry.heldout for entry in table.entries]
    if code == "policy":
        return [entry.heldout for entry in table.policy.entries]
    return [entry.baselines[code] for entry in table.entries]


def test_every_code_shows_its_held_out_figures() -> None:
    table = with_frozen(tuned_table())
    for axes, metric in zip(panels(figure_stragglers(table)), ["mse", "rel_acc", "agreement"], strict=True):
        for (line, *_), code in zip(axes.containers, _SHOWN, strict=True):
            means = [getattr(item, metric).mean for item in _heldouts(table, code)]
            assert points(line) == list(zip([20, 40, 80, 120], means, strict=True))
            assert colour(line) == CODES[code].colour
            assert line.get_marker() == CODES[code].marker


def test_bars_end_where_the_intervals_do() -> None:
    table = tuned_table()
    _, _, (bars,) = panels(figure_stragglers(table))[0].containers[0]
    for segment, entry in zip(bars.get_segments(), table.entries, strict=True):
        assert segment[:, 0].tolist() == [entry.stragglers] * 2
        assert segment[:, 1] == pytest.approx([entry.heldout.mse.low, entry.heldout.mse.high])


def test_a_mean_outside_its_interval_has_a_bar_on_one_side() -> None:
    table = tuned_table()
    outside = Interval(mean=0.1, low=0.1 + 2e-16, high=0.2)
    first = replace(table.entries[0], heldout=replace(table.entries[0].heldout, mse=outside))
    _, _, (bars,) = panels(figure_stragglers(replace(table, entries=(first, *table.entries[1:]))))[0].containers[0]
    assert bars.get_segments()[0][:, 1] == pytest.approx([0.1, 0.2])


def test_axes_carry_the_names_of_the_vocabulary() -> None:
    figure = figure_stragglers(with_frozen(tuned_table()))
    assert [axes.get_ylabel() for axes in panels(figure)] == ["MSE", "RelAcc", "agreement"]
    assert {axes.get_xlabel() for axes in panels(figure)} == {"stragglers S"}
    assert list(legend(figure)) == [CODES[code].label for code in _SHOWN]


@pytest.mark.parametrize("table", [tuned_table(), random_table()], ids=["counts", "ranges"])
def test_everything_lies_within_the_figure(table: TunedTable) -> None:
    assert is_inside(draw(figure_stragglers(table)))


def test_the_error_is_that_of_the_goal() -> None:
    table = replace(tuned_table(), goal=Goal(metric="agreement"))
    axes = panels(figure_stragglers(table))[0]
    assert axes.get_ylabel() == "MSE (probabilities)"
    assert points(axes.containers[0][0]) == [(entry.stragglers, entry.heldout.prob_mse.mean) for entry in table.entries]


def test_a_range_stands_at_its_upper_end_and_is_named() -> None:
    table = random_table()
    for axes in panels(draw(figure_stragglers(table))):
        assert axes.get_xlabel() == "stragglers S (a range at its end)"
        assert [x for x, _ in points(axes.containers[0][0])] == [20, 40, 80, 120]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0–20", "21–40", "41–80", "81–120"]


def test_the_frozen_pair_is_drawn_where_it_was_judged() -> None:
    table = with_frozen(tuned_table())
    entries = (replace(table.entries[0], baselines=tuned_table().entries[0].baselines), *table.entries[1:])
    axes = panels(figure_stragglers(replace(table, entries=entries)))[0]
    (line,) = [container[0] for container in axes.containers if container.get_label() == CODES["frozen"].label]
    assert [x for x, _ in points(line)] == [40, 80, 120]


def test_rel_acc_has_no_panel_where_it_is_undefined() -> None:
    figure = draw(figure_stragglers(tuned_table(has_labels=False)))
    assert [axes.get_ylabel() for axes in panels(figure)] == ["MSE", "agreement"]


def test_codes_stand_side_by_side_at_a_single_straggler_count() -> None:
    figure = draw(figure_stragglers(tuned_table(stragglers=(40,))))
    lines = [container[0] for container in panels(figure)[0].containers]
    assert {points(line)[0][0] for line in lines} == {40.0}
    places = [float(line.get_transform().transform((40.0, 0.1))[0]) for line in lines]
    assert min(after - before for before, after in itertools.pairwise(places)) > 4


def test_an_mse_over_decades_is_logarithmic() -> None:
    assert panels(figure_stragglers(tuned_table()))[0].get_yscale() == "log"


def test_an_mse_of_zero_keeps_its_place() -> None:
    table = tuned_table()
    first = replace(table.entries[0], baselines={**table.entries[0].baselines, "replication": heldout(0.0)})
    axes = panels(draw(figure_stragglers(replace(table, entries=(first, *table.entries[1:])))))[0]
    assert axes.get_yscale() == "symlog"
    assert axes.get_ylim()[0] < 0
    assert 0.0 in axes.get_yticks()


def test_equal_mse_is_linear() -> None:
    table = tuned_table(stragglers=(40,))
    entry = replace(table.entries[0], heldout=heldout(0.1), baselines={name: heldout(0.2) for name in BASELINES})
    policy = replace(table.policy, entries=(replace(table.policy.entries[0], heldout=heldout(0.11)),))
    figure = figure_stragglers(replace(table, entries=(entry,), policy=policy))
    assert panels(figure)[0].get_yscale() == "linear"


def test_a_baseline_that_was_not_judged_is_left_out() -> None:
    table = tuned_table()
    entries = tuple(replace(entry, baselines={"bacc": entry.baselines["bacc"]}) for entry in table.entries)
    figure = figure_stragglers(replace(table, entries=entries))
    assert list(legend(figure)) == [CODES[name].label for name in ("tuned", "policy", "bacc")]


def test_an_interval_that_reaches_to_zero_does_not_squeeze_the_rest() -> None:
    table = tuned_table()
    rare = Interval(mean=1e-4, low=1e-16, high=2e-4)
    first = table.entries[0]
    heldouts = {**first.baselines, "replication": replace(first.baselines["replication"], mse=rare)}
    entries = (replace(first, baselines=heldouts), *table.entries[1:])
    low, _ = panels(figure_stragglers(replace(table, entries=entries)))[0].get_ylim()
    assert 1e-6 < low <= 1e-4
