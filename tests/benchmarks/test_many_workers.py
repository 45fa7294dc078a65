"""How many trials a minute several workers make, and what the storage takes of their time.

`pytest tests/benchmarks/test_many_workers.py -s` prints the figures.
"""

from __future__ import annotations

import re
import time
from functools import partial
from statistics import mean

import pytest
import torch

from tests.faults.conftest import Operate, operate
from tests.faults.operation import Operation, finished
from tests.services.postgres import Postgres
from tests.tuning.children import run_all

__all__ = ["operate"]

_PART = 0.85  # 1.7 of 2
_ROUNDS = 4  # of which the best counts where the machine is shared


@pytest.mark.slow
def test_eight_workers_make_a_thousand_trials_without_losing_or_doubling_one(
    operate: Operate, postgres: Postgres
) -> None:
    """One cell and a model of no cost, so that nothing but sampling, storage and decoding is left."""
    study = operate(trials=998, stragglers=(2,), storage=postgres.new_database(), heartbeat_s=10, grace_s=60)
    launch = study.launch(workers=7)
    _wait_until_begun(study)
    begun, done = time.perf_counter(), study.done
    shown = finished(study.join("--profile"), timeout_s=900)
    seconds = time.perf_counter() - begun
    finished(launch, timeout_s=300)
    study.check()
    share = {stage: _share(shown, stage) for stage in ("storage", "sampling", "decode", "forward", "encode")}
    busy = sum(share.values())
    print(
        f"\n{(study.budget - done) / seconds:.1f} trials a second with 8 workers; of a worker's working time storage "
        f"takes {share['storage'] / busy:.0%}, sampling (which reads and writes it too) {share['sampling'] / busy:.0%}"
    )


@pytest.mark.slow
@pytest.mark.alone
def test_two_workers_make_nearly_twice_the_trials_of_one(operate: Operate) -> None:
    """A forward takes half a second or more of work on one core; each worker has one thread.

    Of the twofold that two cores allow they make 1.7, and of what a shared machine allows just then the same part.
    """
    products = _products_of(seconds=0.6)
    parts: list[float] = []
    while len(parts) < _ROUNDS and max(parts, default=0.0) < _PART:
        allowed, pace = [_allowed(products)], {}
        for workers in (1, 2):
            study = operate(f"of-{workers}-{len(parts)}", trials=28, products=products)
            finished(study.launch(workers=workers), timeout_s=600)
            pace[workers] = _pace(study)
            allowed.append(_allowed(products))
        ratio = pace[2] / pace[1]
        parts.append(ratio / min(2.0, mean(allowed)))
        print(
            f"\ntrials a minute: one worker {pace[1]:.1f}, two {pace[2]:.1f}, {ratio:.2f} times as many; two processes "
            f"that do nothing else: {', '.join(f'{value:.2f}' for value in allowed)} times of one"
        )
    assert max(parts) >= _PART


def _products_of(*, seconds: float) -> int:
    """Return how many products the model makes in some seconds on this machine."""
    count = 500
    return int(seconds * _products_a_second(count))


def _products_a_second(count: int) -> float:
    matrix = torch.eye(256)
    begun = time.perf_counter()
    for _ in range(count):
        matrix = matrix @ matrix
    return count / (time.perf_counter() - begun)


def _allowed(products: int) -> float:
    """Return how many times the products of one process two make that do nothing else, each on one thread."""
    work = partial(_products_a_second, 4 * products)
    one, two = (float(sum(run_all(*[work] * processes))) for processes in (1, 2))
    return two / one


def _pace(study: Operation) -> float:
    """Return the trials a minute, between the ends of the fifth and of the last one."""
    ends = sorted(trial.finished_ms for trial in study.check().cells[0].trials)[4:]
    return 60_000 * (len(ends) - 1) / (ends[-1] - ends[0])


def _wait_until_begun(study: Operation) -> None:
    latest = time.monotonic() + 300
    while study.done < 10:
        assert time.monotonic() < latest, "the workers do not begin"
        time.sleep(0.5)


def _share(shown: str, stage: str) -> float:
    """Read the seconds of a stage from the table that `--profile` shows."""
    found = re.search(rf"{stage}\s*│\s*([\d.]+)", shown)
    return float(found.group(1)) if found else 0.0
