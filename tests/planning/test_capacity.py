"""What workers can do at best."""

from __future__ import annotations

import numpy as np
import pytest

from nercc_tune.planning.capacity import mean_task_s, overload
from nercc_tune.service.load import poisson
from nercc_tune.service.machines import ConstantService, Machines
from nercc_tune.service.rules import Answers, Deadline
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.schemes import coded, hedged, plain, replicated, with_parities
from nercc_tune.service.simulator import simulate
from nercc_tune.service.slowness_settings import make_slowness

_GROUPS = coded(3, [0, 1, 2, None], rule=Answers(count=3), max_wait_s=0.5)
_SCHEMES = [plain(4), replicated(4), hedged(4), with_parities(2, ["p"], workers=3, parity_workers=1), _GROUPS]


def test_plain_workers_do_one_task_for_each_query() -> None:
    assert overload(plain(4), 100.0, task_s=[0.08] * 4) == pytest.approx(2.0)
    assert overload(plain(4), 49.0, task_s=[0.08] * 4) == 1.0


def test_copies_need_not_be_begun() -> None:
    assert overload(replicated(4), 100.0, task_s=[0.08] * 4) == pytest.approx(2.0)


def test_a_worker_helps_with_no_more_than_its_part_of_each_group() -> None:
    """Three of four are needed, and of two that are fast neither can do for a third."""
    slow = overload(_GROUPS, 300.0, task_s=[0.001, 0.001, 0.1, 0.1])
    assert slow == pytest.approx(3 / 2.2, rel=1e-6)


def test_a_deadline_needs_as_few_as_are_enough_then() -> None:
    early = coded(3, [None] * 4, rule=Deadline(seconds=1.0, least=1, count=4), max_wait_s=0.5)
    assert overload(early, 300.0, task_s=[0.01] * 4) == 1.0


@pytest.mark.parametrize("scheme", _SCHEMES, ids=lambda scheme: scheme.name)
def test_what_is_overloaded_has_queues_that_grow(scheme: Scheme) -> None:
    rate = 100.0
    task_s = 1.0 / rate
    while overload(scheme, rate, task_s=[task_s] * scheme.workers) <= 1.2:
        task_s *= 1.3
    machines = Machines(service=ConstantService(each_s=task_s))
    seen = simulate(scheme, poisson(rate, 3000, seed=0), machines=machines, warm_up=0.0)
    thirds = [part.mean() for part in np.array_split(seen.latency_s, 3)]
    assert thirds[2] > 1.4 * thirds[1] > 1.4 * 1.4 * thirds[0]


def test_means_are_those_of_the_machines() -> None:
    slowness = make_slowness("law:shifted-exponential,shift=1,rate=1", workers=2, seed=0)
    machines = Machines(service=ConstantService(each_s=0.5), slowness=slowness, overhead_s=0.25)
    # T = 1 + Exp(1) has mean 2, and a hundred draws of it spread by 0.1.
    assert mean_task_s(machines, workers=2, horizon_s=9.0) == pytest.approx([1.25, 1.25], abs=0.15)
