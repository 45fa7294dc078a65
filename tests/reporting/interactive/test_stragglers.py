from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, MEASURES, Heldout, Interval, Measure
from nercc_tune.reporting.interactive import plot_stragglers
from nercc_tune.reporting.style import CODES
from tests.builders import COUNTS, study_history, tuned_table
from tests.reporting.interactive.traces import check, named, names, plain
from tests.variants import in_ranges, with_frozen


@pytest.mark.parametrize("measure", MEASURES)
def test_every_code_has_its_means_and_intervals(measure: Measure) -> None:
    table = tuned_table()
    figure = plot_stragglers(table, measure=measure)
    check(figure)
    codes = ("tuned", "policy", "bacc", "nercc_ag", "replication", "uncoded")
    assert names(figure) == [CODE_NAMES[code] for code in codes]
    tuned = named(figure, CODES["tuned"].label)
    assert list(tuned.y) == [getattr(entry.heldout, measure).mean for entry in table.entries]
    points = [getattr(entry.heldout, measure) for entry in table.entries]
    assert list(tuned.error_y.array) == pytest.approx([point.high - point.mean for point in points])
    assert list(tuned.error_y.arrayminus) == pytest.approx([point.mean - point.low for point in points])
    assert tuned.marker.color == CODES["tuned"].colour
    assert tuned.x == pytest.approx(COUNTS, abs=6)
    assert list(figure.layout.xaxis.tickvals) == list(COUNTS)


def test_rivals_of_the_table_are_shown() -> None:
    assert CODE_NAMES["frozen"] in names(plot_stragglers(with_frozen(tuned_table()), measure="mse"))


def test_at_one_count_no_two_codes_stand_on_each_other() -> None:
    places = np.array([trace.x for trace in plot_stragglers(tuned_table(), measure="mse").data])
    assert (np.diff(places, axis=0) > 0).all()
    assert (places[-1, :-1] < places[0, 1:]).all()


def test_errors_are_logarithmic_and_shares_are_not() -> None:
    assert plot_stragglers(tuned_table(), measure="prob_mse").layout.yaxis.type == "log"
    assert plot_stragglers(tuned_table(), measure="agreement").layout.yaxis.type is None
    assert not plot_stragglers(tuned_table(), measure="mse").layout.annotations


def test_an_error_of_zero_has_a_place_below_all_others() -> None:
    table = tuned_table()
    exact = Interval(mean=3e-16, low=0.0, high=1e-15)
    first = table.entries[0]
    copies = Heldout(mse=exact, prob_mse=exact, rel_acc=first.heldout.rel_acc, agreement=first.heldout.agreement)
    entry = replace(first, baselines={**first.baselines, "replication": copies})
    figure = plot_stragglers(replace(table, entries=(entry, *table.entries[1:])), measure="mse")
    check(figure)
    axis = figure.layout.yaxis
    trace = named(figure, "replication")
    assert axis.ticktext[0] == "0"
    (mark,) = figure.layout.annotations
    assert axis.tickvals[0] < 10**mark.y < axis.tickvals[1]  # the axis is broken there
    assert trace.y[0] == axis.tickvals[0] < min(min(trace.y) for trace in figure.data if trace.name != "replication")
    assert trace.error_y.array[0] == 0
    assert "3e-16" in trace.hovertext[0]


def test_an_interval_that_reaches_to_zero_does_not_squeeze_the_rest() -> None:
    table = tuned_table()
    entry = table.entries[0]
    wide = replace(entry.heldout, mse=replace(entry.heldout.mse, low=1e-12))
    bottom = plot_stragglers(
        replace(table, entries=(replace(entry, heldout=wide), *table.entries[1:])), measure="mse"
    ).layout.yaxis.range[0]
    least = min(min(trace.y) for trace in plot_stragglers(table, measure="mse").data)
    assert bottom > np.log10(least) - 1.5


def test_a_metric_that_is_not_defined_has_no_series() -> None:
    assert not plot_stragglers(tuned_table(has_labels=False), measure="rel_acc").data


def test_ranges_and_pairs_are_named() -> None:
    history = in_ranges(study_history(stragglers=(20, 40)))
    figure = plot_stragglers(TunedTable.from_history(history), measure="mse")
    assert list(figure.layout.xaxis.ticktext) == ["0–20", "21–40"]
    text = plain(named(figure, CODES["tuned"].label).hovertext[1])
    assert "S = 21–40" in text
    assert "λ enc" in text


def test_a_single_count_draws() -> None:
    check(plot_stragglers(tuned_table(stragglers=(40,)), measure="mse"))
