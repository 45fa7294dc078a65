"""Whether workers can keep up with the queries at all, which takes no simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from nercc_tune.service.machines import Machines
from nercc_tune.service.rules import Answers, Deadline, ErrorBound
from nercc_tune.service.scheme import Scheme

__all__ = ["mean_task_s", "overload"]

_TASKS = 100  # of each worker, whose mean is taken


def mean_task_s(machines: Machines, *, workers: int, horizon_s: float) -> NDArray[np.float64]:
    """Return [workers] how long a task takes on average of the first hundred, begun evenly over a time."""
    starts = np.linspace(0.0, horizon_s, _TASKS)
    times = [
        [machines.task_s(worker, number, float(start)) for number, start in enumerate(starts)]
        for worker in range(workers)
    ]
    means: NDArray[np.float64] = np.mean(times, axis=1)
    return means


def overload(scheme: Scheme, rate: float, *, task_s: Sequence[float] | NDArray[np.float64]) -> float:
    """Return how many times more comes than workers can do at best: 1 where they keep up, above 1 queues only grow.

    Each query takes one task that bears it, or each group as many as its rule decodes from, if these are fewer. Copies
    and mixes that nobody needs any more are not begun, so that they need not count. A worker helps with no more than
    its part of each group. Groups have all queries that come within `max_wait_s` of their first one, at most K.

    Args:
        scheme: How the workers are used.
        rate: Queries per second, which come independently.
        task_s: [workers] how long a task takes on average.
    """
    speeds = 1 / np.asarray(task_s)
    can = np.array([speeds[list(pool.workers)].sum() for pool in scheme.pools])
    within = rate * scheme.max_wait_s
    groups = rate / _mean_of_least(scheme.queries, within)
    given = np.bincount([task.pool for task in scheme.tasks], minlength=len(can))
    enough = _enough(scheme)
    wanted = groups * _mean_of_least(min(scheme.queries, enough), within)
    return max(1.0, float(wanted / np.minimum(can, groups * given).sum()))


def _enough(scheme: Scheme) -> int:
    """Return from how few answers a group may be decoded."""
    if isinstance(scheme.rule, Answers):
        return scheme.rule.count
    if isinstance(scheme.rule, Deadline | ErrorBound):
        return scheme.rule.least
    return scheme.queries


def _mean_of_least(most: int, within: float) -> float:
    """Return the mean of min(most, 1 + X) for X ~ Poisson(within)."""
    return 1.0 + float(special.gammainc(np.arange(1, most), within).sum()) if within > 0 else 1.0
