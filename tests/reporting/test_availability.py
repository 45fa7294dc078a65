from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES
from nercc_tune.reporting.availability import figure_availability, has_availability
from nercc_tune.reporting.captions import ALTERNATIVES, CAPTIONS
from nercc_tune.reporting.figures import draw_figures, write_figures
from nercc_tune.reporting.pictures.availability import AvailabilityCurve
from nercc_tune.reporting.style import CODES
from tests.builders import study_history, tuned_table
from tests.reporting.panels import colour, draw, is_inside, legend, panels
from tests.variants import with_availability

_SHOWN = ("tuned", "policy", "bacc", "nercc_ag", "replication", "uncoded", "default")
_REDUNDANT = _SHOWN[:-2]


@pytest.fixture(scope="module")
def table() -> TunedTable:
    return with_availability(tuned_table())


def _curve(table: TunedTable, code: str) -> AvailabilityCurve:
    first = table.entries[0]
    judged = {"tuned": first.heldout, "policy": table.policy.entries[0].heldout, **first.baselines}
    availability = judged[code].availability
    assert availability is not None
    return AvailabilityCurve.of(availability)


def _assert_drawn(axes: Axes, table: TunedTable, codes: tuple[str, ...]) -> None:
    assert [colour(line) for line in axes.lines] == [CODES[code].colour.upper() for code in codes]
    bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
    for code, line, band in zip(codes, axes.lines, bands, strict=True):
        curve = _curve(table, code)
        assert np.array_equal(line.get_xdata(), curve.late)
        assert np.array_equal(line.get_ydata(), curve.mean)
        assert line.get_linestyle() == ("--" if code == "tuned" else "-")
        (outline,) = band.get_paths()
        assert {curve.low.max(), curve.high.min()} <= set(np.asarray(outline.vertices)[:, 1].tolist())


def test_every_code_is_drawn_and_once_more_without_those_that_have_no_redundancy(table: TunedTable) -> None:
    figure = figure_availability(table)
    whole, closer = panels(figure)
    _assert_drawn(whole, table, _SHOWN)
    _assert_drawn(closer, table, _REDUNDANT)
    assert list(legend(figure)) == [CODE_NAMES[code] for code in _SHOWN]


def test_axes_are_named_with_the_count_whose_degraded_queries_are_told(table: TunedTable) -> None:
    whole, closer = panels(draw(figure_availability(table)))
    assert (whole.get_ylabel(), closer.get_ylabel()) == ("overall accuracy", "")
    assert whole.get_xlabel() == closer.get_xlabel() == "share of workers that are late"
    assert whole.get_title(loc="left") == "degraded queries as at S = 20"
    assert "10 %" in [label.get_text() for label in whole.get_xticklabels()]


def test_marks_take_turns_so_that_codes_that_are_alike_are_all_seen(table: TunedTable) -> None:
    starts = [line.get_markevery() for line in panels(figure_availability(table))[0].lines]
    assert len(set(starts)) == len(_SHOWN)


def test_everything_lies_within_the_figure(table: TunedTable) -> None:
    assert is_inside(draw(figure_availability(table)))


def test_a_code_that_was_not_measured_is_left_out(table: TunedTable) -> None:
    first = table.entries[0]
    baselines = {**first.baselines, "bacc": replace(first.baselines["bacc"], availability=None)}
    figure = figure_availability(replace(table, entries=(replace(first, baselines=baselines), *table.entries[1:])))
    assert CODE_NAMES["bacc"] not in legend(figure)


def test_it_is_among_the_figures_where_there_is_something_to_show(table: TunedTable, tmp_path: Path) -> None:
    history = study_history()
    assert list(draw_figures(history, table))[:2] == ["stragglers", "availability"]
    assert "availability" not in draw_figures(history, tuned_table())
    written = write_figures(replace(history, cells=()), table, tmp_path)
    assert tmp_path / "availability.png" in written
    assert {"availability"} <= set(CAPTIONS) & set(ALTERNATIVES)


def test_a_table_without_accuracies_is_refused() -> None:
    assert not has_availability(tuned_table())
    with pytest.raises(ValueError, match="`table` must hold an accuracy on degraded queries, but got none"):
        figure_availability(tuned_table())
