"""A storage that fails for a moment, at any step of a search and before or after it did what was asked."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages._rdb import storage
from optuna.trial import TrialState

from nercc_tune.records import TrialRecord, to_json
from nercc_tune.tuning import open_storage
from tests import fakes
from tests.fakes import Bench, bench, timeless, tiny_spec
from tests.tuning.leasing import ledger_in, silence, states

SPEC = tiny_spec("search.sampler=random", "search.trials=1")
STRIDE = 7  # every transaction was tried once; each takes a second or more
_SECONDS = 60.0


class Unreliable:
    """Counts the transactions of the main thread in every storage, and lets one of them fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done = 0
        self._at, self._is_late = 0, False
        self._latest = math.inf
        self._transact = storage._create_scoped_session
        patch.setattr(storage, "_create_scoped_session", self._counted)

    def rest(self) -> None:
        """Let nothing fail any more."""
        self._at, self._latest = 0, math.inf

    def fail(self, *, at: int, is_late: bool) -> None:
        """Let the transaction of this number fail, counted from now on; none where it is 0."""
        self.done, self._at, self._is_late = 0, at, is_late
        self._latest = time.monotonic() + _SECONDS

    @contextmanager
    def _counted(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        is_failing = False
        if threading.current_thread() is threading.main_thread():
            assert time.monotonic() < self._latest, "the search hangs"
            self.done += 1
            is_failing = self.done == self._at
        if is_failing and not self._is_late:
            raise StorageInternalError("gone")
        with self._transact(*arguments, **options) as session:
            yield session
        if is_failing:
            raise StorageInternalError("gone")


@pytest.fixture
def unreliable(monkeypatch: pytest.MonkeyPatch) -> Unreliable:
    monkeypatch.setattr(fakes, "open_storage", partial(open_storage, heartbeat_s=1, grace_s=2))
    return Unreliable(monkeypatch)


def _searched(folder: Path, unreliable: Unreliable, *, at: int, is_late: bool, is_taken_over: bool) -> Bench:
    """Search with one failure; where asked, another worker gave back the first proposal that it had planned."""
    study = bench(SPEC, folder)
    search = study.search()
    if is_taken_over:
        lease = search.ledger.take(budget=search.proposals.budget, may_begin=True)
        assert lease is not None
        assert search.ledger.note_plan(lease, to_json(search.proposals.by_design(0)))
        search.ledger.release(lease)
    unreliable.fail(at=at, is_late=is_late)
    assert search.run() == search.proposals.budget
    unreliable.rest()
    return study


def _found(study: Bench) -> list[list[TrialRecord]]:
    """Return what the cells have, by proposal, of trials that were ended once."""
    states = {trial.state for cell in study.studies.values() for trial in cell._study.trials}
    assert states <= {TrialState.COMPLETE, TrialState.FAIL}
    cells = [timeless(cell.trials) for cell in study.history().cells]
    return [sorted(trials, key=lambda trial: trial.proposal) for trials in cells]


@pytest.mark.parametrize("is_taken_over", [False, True], ids=["begun", "taken over"])
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_a_lease_that_nobody_knows_of_is_not_kept_alive(
    is_late: bool, is_taken_over: bool, tmp_path: Path, unreliable: Unreliable
) -> None:
    """Whichever transaction of taking a proposal fails; it would be held for ever, and all others would wait for it."""
    for at in itertools.count(1):
        ledger = ledger_in(tmp_path / str(at))
        if is_taken_over:
            given_back = ledger.take(budget=3, may_begin=True)
            assert given_back is not None
            ledger.release(given_back)
        unreliable.fail(at=at, is_late=is_late)
        try:
            lease = ledger.take(budget=3, may_begin=True)
        except StorageInternalError:
            assert not ledger._leases._held
        else:
            assert lease is not None
            assert ledger._leases._held == {lease.trial_id}
        unreliable.rest()
        if unreliable.done < at:
            break
    assert at > 4


@pytest.mark.slow
@pytest.mark.parametrize("is_taken_over", [False, True], ids=["begun", "taken over"])
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_a_failure_in_any_transaction_costs_nothing(
    is_late: bool, is_taken_over: bool, tmp_path: Path, unreliable: Unreliable
) -> None:
    """What failed is done again, and what a worker took without learning of it is free for the next one."""
    search = partial(_searched, unreliable=unreliable, is_late=is_late, is_taken_over=is_taken_over)
    undisturbed = _found(search(tmp_path / "undisturbed", at=0))
    steps = unreliable.done
    assert steps > 20
    for at in range(1, steps + 1, STRIDE):
        assert _found(search(tmp_path / str(at), at=at)) == undisturbed


def test_a_launch_whose_answer_was_lost_does_not_refuse_itself(tmp_path: Path, unreliable: Unreliable) -> None:
    ledger = ledger_in(tmp_path)
    for at in range(2, 8):
        unreliable.fail(at=at, is_late=True)
        with suppress(StorageInternalError):
            ledger.keep_conducting()
        unreliable.rest()
        ledger.keep_conducting()
        assert states(ledger)[-1] is TrialState.RUNNING
        assert states(ledger).count(TrialState.RUNNING) == 1
        silence(tmp_path)
        ledger.sweep()
