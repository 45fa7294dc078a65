from __future__ import annotations

import numpy as np
import pytest

from nercc_tune.reporting.bench_styles import bench_styles
from nercc_tune.reporting.interactive import plot_error_against_tail, plot_latency_tails
from nercc_tune.reporting.pictures.tails import TailPanel, panels_of
from nercc_tune.reporting.style import CODES
from tests.reporting.interactive.traces import check, named, names, plain
from tests.service.results import bench_results

_CODES = ("coded", "equal-resources", "coded,deadline_ms=60")


def _panel(**settings: object) -> TailPanel:
    (panel,) = panels_of({"bench": bench_results(_CODES, **settings)})  # type: ignore[arg-type]  # of each its own
    return panel


def test_every_rival_has_its_tail_from_all_queries_to_one() -> None:
    panel = _panel()
    figure = plot_latency_tails(panel)
    check(figure)
    assert names(figure) == ["NeRCC", "equal resources", "NeRCC (deadline 60 ms)"]
    line = next(trace for trace in figure.data if trace.name == "NeRCC" and trace.mode == "lines")
    tail = panel.tails["coded"]
    assert list(line.x) == tail.mean_ms.tolist()
    assert list(line.y) == tail.share.tolist()
    assert (line.y[0], line.y[-1]) == pytest.approx((1.0, 1 / 400))
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert 10 ** figure.layout.yaxis.range[0] < 1 / 400


def test_bands_go_from_the_best_to_the_worst_repeat() -> None:
    panel = _panel()
    band = next(trace for trace in plot_latency_tails(panel).data if trace.fill == "toself")
    tail = panel.tails["coded"]
    assert list(band.x) == [*tail.low_ms.tolist(), *tail.high_ms[::-1].tolist()]
    assert all(trace.fill is None for trace in plot_latency_tails(_panel(repeats=1)).data)


def test_a_hover_says_what_share_is_within_a_time() -> None:
    figure = plot_latency_tails(_panel(repeats=1))
    line = figure.data[0]
    at = int(np.argmin(np.abs(np.array(line.y) - 0.01)))
    assert f"{100 * (1 - line.y[at]):.6g} % within {line.x[at]:.4g} ms" in plain(line.hovertext[at])


def test_error_and_p999_are_those_of_the_summary_with_their_intervals() -> None:
    panel = _panel()
    figure = plot_error_against_tail(panel)
    check(figure)
    mark, point = named(figure, "NeRCC"), panel.points["coded"]
    assert (mark.x[0], mark.y[0]) == (point.p999_ms.mean, point.error.mean)
    assert mark.error_x.array[0] == pytest.approx(point.p999_ms.high - point.p999_ms.mean)
    assert mark.error_y.arrayminus[0] == pytest.approx(point.error.mean - point.error.low)
    assert mark.marker.color == CODES["tuned"].colour


def test_a_rival_without_error_has_a_place_below() -> None:
    figure = plot_error_against_tail(_panel())
    assert named(figure, "equal resources").y[0] < named(figure, "NeRCC").y[0]
    assert figure.layout.yaxis.ticktext[0] == "0"


def test_what_was_refused_ends_the_line_and_has_no_mark() -> None:
    panel = _panel(has_refused=True)
    assert not plot_error_against_tail(panel).data
    line = plot_latency_tails(panel).data[-1]
    assert min(line.y) > 1 / 400


def test_variants_of_a_scheme_can_be_told_apart() -> None:
    styles = bench_styles(["coded,deadline_ms=60,least=2", "coded", "parity,study=parity-mnist", "parity", "new"])
    assert [style.label for style in styles.values()] == [
        "NeRCC (deadline 60 ms, least 2)",
        "NeRCC",
        "parity models (parity-mnist)",
        "parity models",
        "new",
    ]
    assert len({(style.colour, style.marker) for style in styles.values()}) == len(styles)
    assert len({style.colour for style in styles.values()}) == len(styles)
