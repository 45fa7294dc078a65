from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.reporting.interactive import plot_live_latency, plot_worker_latencies
from tests.reporting.interactive.traces import check, named, names, plain
from tests.service.statuses import recent_answers, service_status


def test_each_query_is_where_its_answer_came_from() -> None:
    recent = recent_answers(80)
    figure = plot_live_latency(recent)
    check(figure)
    assert names(figure) == ["own answer (40)", "copy (10)", "estimate (20)", "refused (10)"]
    estimates = [answer for answer in recent if answer.source == "decoded"]
    trace = named(figure, "estimate (20)")
    assert list(trace.y) == pytest.approx([1e3 * answer.latency_s for answer in estimates])
    assert list(trace.x) == pytest.approx([1e3 * answer.at for answer in estimates])
    assert trace.customdata[0] == f"{estimates[0].expected_error:.3g}"
    assert "expected squared error" in trace.hovertemplate
    assert figure.layout.yaxis.type == "log"


def test_a_latency_of_nothing_has_a_place_on_the_axis() -> None:
    (answer, *_) = recent_answers(8)
    figure = plot_live_latency([replace(answer, latency_s=0.0)])
    assert min(figure.data[0].y) > 0


def test_workers_have_what_they_took_lately_and_ever() -> None:
    workers = service_status(workers=6).workers
    figure = plot_worker_latencies(workers)
    check(figure)
    assert list(named(figure, "last 50 answers").y) == pytest.approx([25, 25, 25, 150, 25, 25])
    assert list(named(figure, "since the service began").y) == pytest.approx([20, 20, 20, 120, 20, 20])
    assert list(named(figure, "away").x) == [5]
    assert "247 tasks, 120 late, 0 lost, 4 suspected" in plain(named(figure, "last 50 answers").hovertext[3])


def test_a_worker_that_has_not_answered_has_no_bar_but_a_place() -> None:
    workers = [replace(worker, mean_s=None, recent_s=None, is_away=False) for worker in service_status().workers]
    figure = plot_worker_latencies(workers)
    check(figure)
    assert names(figure) == ["last 50 answers", "since the service began"]
    assert not len(figure.data[0].x)
    assert figure.layout.xaxis.range[1] > len(workers) - 1
