"""The figures of a bench show what its pictures hold, and nothing lies outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from nercc_tune.reporting.bench_report import write_bench, write_bench_figures
from nercc_tune.reporting.pictures.tails import panels_of
from nercc_tune.reporting.style import CODES
from nercc_tune.reporting.tails import bench_figures, figure_error_tail, figure_rates, figure_tails
from nercc_tune.service.bench_results import read_results
from nercc_tune.service.scheme_settings import SCHEMES
from tests.reporting.panels import colour, draw, is_inside, legend, marked, panels, points
from tests.service.results import bench_results

ALL = (*SCHEMES, "coded,deadline_ms=60", "parity,study=other")


def test_lines_are_the_tails_of_the_codes() -> None:
    shown = panels_of({"bench": bench_results()})
    (axes,) = panels(draw(figure_tails(shown)))
    lines = [line for line in axes.lines if line.get_linestyle() == "-"]
    for line, tail in zip(lines, shown[0].tails.values(), strict=True):
        assert points(line) == list(zip(tail.mean_ms.tolist(), tail.share.tolist(), strict=True))
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_marks_are_at_the_percentiles() -> None:
    results = bench_results()
    (setting,) = results.at_rates()
    (axes,) = panels(draw(figure_tails(panels_of({"bench": results}))))
    median = setting.summary("coded").p50_s
    assert median is not None
    (first, *_) = marked(axes, "NeRCC")
    assert first == pytest.approx((1e3 * median.mean, 0.5), rel=0.03)
    assert len(marked(axes, "NeRCC")) == 3  # 400 queries say nothing of p99.9


def test_points_and_bars_are_error_and_p999() -> None:
    shown = panels_of({"bench": bench_results()})
    (axes,) = panels(draw(figure_error_tail(shown)))
    point = shown[0].points["coded"]
    assert marked(axes, "NeRCC") == [(point.p999_ms.mean, point.error.mean)]
    bars = [each for each in axes.collections if isinstance(each, LineCollection)]
    ends = np.concatenate([np.asarray(each.get_segments()[0]) for each in bars])
    assert ends[:, 0].max() == pytest.approx(shown[0].points["equal-resources"].p999_ms.high)


def test_rates_are_drawn_where_there_are_several() -> None:
    assert sorted(bench_figures({"bench": bench_results()})) == ["error_tail", "tails"]
    results = bench_results(rates=(20.0, 40.0))
    assert sorted(bench_figures({"bench": results})) == ["error_tail", "rates", "tails"]
    median, tail = panels(draw(figure_rates(results)))
    assert [x for x, _ in marked(median, "NeRCC")] == [20.0, 40.0]
    assert (median.get_title("left"), tail.get_title("left")) == ("median", "99.9th percentile")


def test_times_alone_have_no_error() -> None:
    results = bench_results()
    runs = tuple(replace(run, agrees=None, right=None) for run in results.runs)
    assert sorted(bench_figures({"bench": replace(results, runs=runs)})) == ["tails"]
    with pytest.raises(ValueError, match=r"error and p99\.9"):
        figure_error_tail(panels_of({"bench": replace(results, runs=runs)}))


@pytest.mark.parametrize("name", ["tails", "error_tail", "rates"])
def test_all_schemes_are_told_apart_and_nothing_lies_outside(name: str) -> None:
    figure = draw(bench_figures({"bench": bench_results(ALL, rates=(20.0, 40.0))})[name])
    shown = legend(figure)
    assert len(shown) == len(ALL)
    assert len({(colour(line), line.get_marker()) for line in shown.values()}) == len(ALL)
    assert colour(shown["NeRCC"]) == CODES["tuned"].colour.upper()
    assert {"NeRCC (deadline 60 ms)", "parity models (other)"} <= set(shown)
    assert is_inside(figure)


def test_a_rate_at_which_all_is_refused_says_so() -> None:
    results = bench_results(("coded",), rates=(20.0, 40.0), has_refused=True)
    _, tail = panels(draw(figure_rates(results)))
    assert [text.get_text() for text in tail.texts] == ["too many queries were refused"]


def test_files_are_written_and_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    results = bench_results()
    path = write_bench(results, tmp_path / "a")
    assert read_results(path) == results
    first = write_bench_figures({"bench": results}, tmp_path / "a")
    second = write_bench_figures({"bench": results}, tmp_path / "b")
    assert [each.name for each in first] == ["tails.png", "error_tail.png"]
    assert [each.read_bytes() for each in first] == [each.read_bytes() for each in second]
