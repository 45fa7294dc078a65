from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes

from nercc_tune.records import Goal, Heldout
from nercc_tune.reporting.style import CODES
from nercc_tune.reporting.waiting import figure_waiting
from tests.builders import tuned_table
from tests.reporting.panels import colour, draw, is_inside, legend, panels, points
from tests.variants import random_table, with_waiting

_SHOWN = ("tuned", "bacc", "replication")


def _answers(axes: Axes) -> dict[float, str]:
    (top,) = axes.child_axes
    return dict(zip(map(float, top.get_xticks()), [label.get_text() for label in top.get_xticklabels()], strict=True))


def test_every_code_shows_its_held_out_figures_against_the_waiting_time() -> None:
    table = with_waiting(tuned_table())
    for axes, metric in zip(panels(figure_waiting(table)), ("mse", "rel_acc"), strict=True):
        for (line, *_), code in zip(axes.containers, _SHOWN, strict=True):
            judged: list[Heldout] = [
                entry.heldout if code == "tuned" else entry.baselines[code] for entry in table.entries
            ]
            expected = [
                (entry.waiting, getattr(item, metric).mean) for entry, item in zip(table.entries, judged, strict=True)
            ]
            assert points(line) == sorted(expected)
            assert colour(line) == CODES[code].colour


def test_bars_end_where_the_intervals_do() -> None:
    table = with_waiting(tuned_table())
    _, _, (bars,) = panels(figure_waiting(table))[1].containers[0]
    for segment, entry in zip(bars.get_segments(), table.entries[::-1], strict=True):
        assert entry.heldout.rel_acc is not None
        assert segment[:, 1] == pytest.approx([entry.heldout.rel_acc.low, entry.heldout.rel_acc.high])


def test_every_point_is_labelled_with_the_number_of_answers() -> None:
    table = with_waiting(tuned_table())
    for axes in panels(draw(figure_waiting(table))):
        assert _answers(axes) == {entry.waiting: str(200 - entry.stragglers) for entry in table.entries}
        assert axes.child_axes[0].get_xlabel() == "answers waited for, F = N − S"


def test_the_error_is_that_of_the_goal_and_logarithmic_over_decades() -> None:
    error, accuracy = panels(figure_waiting(replace(with_waiting(tuned_table()), goal=Goal(metric="prob_mse"))))
    assert (error.get_ylabel(), accuracy.get_ylabel()) == ("MSE (probabilities)", "RelAcc")
    assert (error.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    assert error.get_xlabel() == "mean waiting time"


def test_the_axis_names_the_unit() -> None:
    error, _ = panels(figure_waiting(replace(with_waiting(tuned_table()), straggling={"unit": "us"})))
    assert error.get_xlabel() == "mean waiting time, us"


def test_waiting_times_over_decades_are_logarithmic() -> None:
    table = with_waiting(tuned_table())
    entries = tuple(replace(entry, waiting=10.0 ** (4 - at)) for at, entry in enumerate(table.entries))
    axes = panels(draw(figure_waiting(replace(table, entries=entries))))[0]
    assert axes.get_xscale() == "log"
    assert list(_answers(axes).values()) == ["180", "160", "120", "80"]


def test_rel_acc_has_no_panel_where_it_is_undefined() -> None:
    figure = draw(figure_waiting(with_waiting(tuned_table(has_labels=False))))
    assert [axes.get_ylabel() for axes in panels(figure)] == ["MSE"]


def test_an_entry_without_a_waiting_time_is_left_out() -> None:
    table = with_waiting(tuned_table())
    table = replace(table, entries=(replace(table.entries[0], waiting=None), *table.entries[1:]))
    assert list(_answers(panels(figure_waiting(table))[0]).values()) == ["160", "120", "80"]


def test_everything_lies_within_the_figure() -> None:
    figure = draw(figure_waiting(with_waiting(tuned_table())))
    assert is_inside(figure)
    assert list(legend(figure)) == [CODES[code].label for code in _SHOWN]


@pytest.mark.parametrize("table", [tuned_table(), random_table()], ids=["no times", "a deadline"])
def test_a_table_in_which_nothing_can_be_picked_is_refused(table: object) -> None:
    with pytest.raises(ValueError, match="`table` must hold a waiting time for a fixed straggler count, but got none"):
        figure_waiting(table)  # type: ignore[arg-type]  # a table, by its construction
