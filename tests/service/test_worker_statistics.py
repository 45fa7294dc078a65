"""What is counted of workers, and of answers."""

from __future__ import annotations

import pytest
import torch

from nercc_tune.service.answered import Answered
from nercc_tune.service.commands import Source
from nercc_tune.service.recent_answers import RecentAnswers
from nercc_tune.service.worker_statistics import WorkerStatistics


def test_latencies_are_means_of_all_and_of_the_last() -> None:
    statistics = WorkerStatistics(2)
    for number in range(100):
        statistics.begin(1, 0.0)
        statistics.end(1, 1.0 if number < 50 else 3.0, is_sound=True)
    statistics.begin(1, 0.0)
    statistics.end(1, 9.0, is_sound=False)
    statistics.suspect([1])
    statistics.begin(1, 0.0)
    idle, worker = statistics.records
    assert (idle.tasks, idle.mean_s, idle.recent_s, idle.is_busy) == (0, None, None, False)
    assert (worker.tasks, worker.lost, worker.suspected, worker.is_busy) == (101, 1, 1, True)
    assert worker.mean_s == pytest.approx(2.0)
    assert worker.recent_s == pytest.approx(3.0)


def test_who_is_away_is_said() -> None:
    statistics = WorkerStatistics(1)
    statistics.leave(0)
    assert statistics.records[0].is_away
    statistics.come_back(0)
    assert not statistics.records[0].is_away


def test_as_many_answers_are_kept_as_a_figure_shows() -> None:
    recent, answered = RecentAnswers(), torch.ones(1)
    recent.add_refusal(5.0)
    assert recent.records[0].source is None
    for number in range(2000):
        recent.add(
            Answered(
                probabilities=answered,
                source=Source.COPY,
                waited_for=1,
                workers=2,
                seconds=float(number),
                expected_error=0.0,
            )
        )
    assert len(recent.records) == 2000
    assert (recent.records[0].latency_s, recent.records[-1].latency_s) == (0.0, 1999.0)
    assert recent.records[0].source == "copy"
