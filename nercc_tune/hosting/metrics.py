"""What a front tells Prometheus, through Ray's metrics."""

from __future__ import annotations

import importlib
from typing import Any

from nercc_tune.service.answered import Answered
from nercc_tune.service.status import ServiceStatus

__all__ = ["ServiceMetrics"]

_BOUNDARIES_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]
_ERRORS = [1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]


class ServiceMetrics:
    """Tells of answers as they are given, and of totals as often as `refresh` is called.

    Totals are those of the engine that is served; they begin anew with another one, as Prometheus expects of a counter
    whose process was restarted.
    """

    def __init__(self) -> None:
        # Here, not above: it imports Ray Serve, which the process that starts a cluster must not do before.
        metrics: Any = importlib.import_module("ray.serve.metrics")
        self._latency = metrics.Histogram(
            "nercc_tune_latency_seconds",
            description="From a query's coming to its answer.",
            boundaries=_BOUNDARIES_S,
            tag_keys=("source",),
        )
        self._expected_error = metrics.Histogram(
            "nercc_tune_expected_error",
            description="The squared error that estimates are expected to make.",
            boundaries=_ERRORS,
        )
        self._totals = {
            name: metrics.Gauge(f"nercc_tune_{name}", description=description)
            for name, description in (
                ("waiting", "Queries without an answer."),
                ("decoded_share", "Share of the answers that are estimates."),
                ("refused_total", "Queries that went without an answer."),
                ("overloads_total", "Queries that were not taken, since too many waited."),
                ("hedges_total", "Late queries that were sent again."),
                ("busy_seconds_total", "Worker-seconds that were run."),
                ("burned_seconds_total", "Worker-seconds that were run and used by nobody."),
            )
        }
        self._of_workers = {
            name: metrics.Gauge(f"nercc_tune_worker_{name}", description=description, tag_keys=("worker",))
            for name, description in (
                ("tasks_total", "Tasks that a worker ended."),
                ("late_total", "Answers of a worker that came when nobody waited for them."),
                ("lost_total", "Tasks that a worker died with, or answered with what is no answer."),
                ("suspected_total", "Answers of a worker that were distrusted."),
                ("recent_seconds", "Mean time of the last answers of a worker."),
                ("is_away", "Whether a worker is gone, and awaited back."),
            )
        }

    def note(self, answered: Answered) -> None:
        """Note an answer."""
        self._latency.observe(answered.seconds, tags={"source": answered.source.value})
        if answered.expected_error:
            self._expected_error.observe(answered.expected_error)

    def refresh(self, status: ServiceStatus) -> None:
        """Tell how the service stands."""
        tally = status.tally
        answers = sum(tally.replies.values())
        totals = {
            "waiting": status.waiting,
            "decoded_share": tally.replies["decoded"] / answers if answers else 0.0,
            "refused_total": tally.refused,
            "overloads_total": status.overloads,
            "hedges_total": tally.hedges,
            "busy_seconds_total": tally.busy_s,
            "burned_seconds_total": tally.burned_s,
        }
        for name, value in totals.items():
            self._totals[name].set(value)
        for worker in status.workers:
            values = {
                "tasks_total": worker.tasks,
                "late_total": worker.late,
                "lost_total": worker.lost,
                "suspected_total": worker.suspected,
                "recent_seconds": worker.recent_s or 0.0,
                "is_away": float(worker.is_away),
            }
            for name, value in values.items():
                self._of_workers[name].set(value, tags={"worker": str(worker.worker)})
