"""How a service stands, made up: it answers from all sources, and one of its workers straggles."""

from __future__ import annotations

import numpy as np

from nercc_tune.service.recent_answers import RecentAnswer
from nercc_tune.service.status import ServiceStatus, TallyStatus
from nercc_tune.service.worker_statistics import WorkerStatus

__all__ = ["recent_answers", "service_status"]

_SOURCES = ("own", "own", "own", "own", "copy", "decoded", "decoded", None)
_BEGAN = 1_790_000_000.0


def recent_answers(count: int = 400) -> tuple[RecentAnswer, ...]:
    """Return answers of which a quarter are estimates, an eighth copies, and an eighth is refused."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        source = _SOURCES[number % len(_SOURCES)]
        expected = {"own": 0.0, "copy": 0.0, "decoded": float(0.01 * (1 + number / count)), None: None}[source]
        latency_s = 1.0 if source is None else float(0.02 * (1 + rng.pareto(2.0)))
        found.append(
            RecentAnswer(at=_BEGAN + 0.05 * number, latency_s=latency_s, source=source, expected_error=expected)
        )
    return tuple(found)


def service_status(*, workers: int = 8, recent: int = 400) -> ServiceStatus:
    """Return a status whose worker 3 takes six times as long as the others, and whose last one is away."""
    slow = 3
    return ServiceStatus(
        scheme="coded",
        queries=4,
        waiting=7,
        overloads=11,
        unread=2,
        is_closing=False,
        tally=TallyStatus(
            groups=250,
            padded=10,
            replies={"own": 600, "copy": 100, "decoded": 300},
            refused=13,
            tasks=2000,
            dropped=40,
            unused=300,
            hedges=5,
            lost=9,
            busy_s=50.0,
            burned_s=7.5,
        ),
        workers=tuple(
            WorkerStatus(
                worker=worker,
                tasks=250 - worker,
                late=120 if worker == slow else worker,
                lost=9 if worker == workers - 1 else 0,
                suspected=4 if worker == slow else 0,
                mean_s=0.12 if worker == slow else 0.02,
                recent_s=0.15 if worker == slow else 0.025,
                is_busy=worker == 1,
                is_away=worker == workers - 1,
            )
            for worker in range(workers)
        ),
        recent=recent_answers(recent),
    )
