"""How many trials a minute several workers make, and what the storage takes of their time.

`pytest tests/benchmarks/test_many_workers.py -s` prints the figures.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import Operate, operate
from tests.faults.operation import finished
from tests.services.postgres import Postgres

__all__ = ["operate"]

pytestmark = pytest.mark.slow


def test_eight_workers_make_a_thousand_trials_without_losing_or_doubling_one(
    operate: Operate, postgres: Postgres
) -> None:
    """One cell and a model of no cost, so that nothing but sampling, storage and decoding is left."""
    study = operate(trials=998, stragglers=(2,), storage=postgres.new_database(), heartbeat_s=10, grace_s=60)
    launch = study.launch(workers=7)
    _wait_until_begun(study)
    begun, done = time.perf_counter(), _done(study)
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


def test_two_workers_make_nearly_twice_the_trials_of_one(operate: Operate) -> None:
    """A forward takes half a second of work on one core; the same threads each. The ratio is what counts."""
    minutes = {}
    for workers in (1, 2, 1, 2):
        study = operate(f"study-{len(minutes)}-{workers}", trials=38, work_s=0.5)
        launch = study.launch("--set", "resources.workers=1", workers=workers)
        minutes[len(minutes), workers] = _minutes_of_search(study, launch)
    print(minutes)
