"""Leases in an Optuna study: each is a running trial that its holder keeps alive with heartbeats.

Optuna's storage moves a trial from WAITING to RUNNING, and from RUNNING to an end, for one process only. That, and the
numbers that it gives to trials, is all that the protocol rests on: no clocks are compared, and no lock is held.
"""

from __future__ import annotations

import copy
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials, get_storage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nercc_tune.records import from_json, to_json
from nercc_tune.tuning.holder import Holder
from nercc_tune.tuning.patience import STORAGE_FAILURES

HOLDER = "nercc_tune.holder"
# What RetryHeartbeatStaleTrialCallback writes into the trial that takes the place of a dead one.
_ORIGIN, _HISTORY = "failed_trial", "retry_history"


class Leases:
    """The leases of a study, seen by one process.

    A lease whose holder died fails, and `RetryHeartbeatStaleTrialCallback` puts another trial in its place, which waits
    for a new holder. On the holder's own machine its process is gone; elsewhere its last heartbeat is older than the
    storage's grace period.
    """

    def __init__(self, storage: RDBStorage, name: str, *, attributes: Mapping[str, Any]) -> None:
        self._rdb = storage
        self._storage = get_storage(storage)
        self._study = optuna.create_study(storage=self._storage, study_name=name, load_if_exists=True)
        self._study_id = self._storage.get_study_id_from_name(name)
        self._me = Holder.here()
        self._mark = uuid.uuid4().hex  # tells this object from others of the same process
        self._held: set[int] = set()
        self._heard: set[int] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # pinned by tests/tuning/test_leases.py
            self._retry = RetryHeartbeatStaleTrialCallback()
        known = self._study.user_attrs
        for key, value in attributes.items():
            if known.get(key) != value:
                self._study.set_user_attr(key, value)

    def trials(self) -> list[FrozenTrial]:
        """Return all leases that there ever were, by number."""
        return self._study.get_trials(deepcopy=False)

    def create(self, attributes: Mapping[str, Any]) -> int:
        """Make a lease that is held by this process, and return its trial's id."""
        template = create_trial(state=TrialState.RUNNING, user_attrs={**attributes, HOLDER: self._signature(0)})
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=template)
        self._hold(trial_id)
        return trial_id

    def claim(self, trial: FrozenTrial) -> bool:
        """Take a lease that waits; False if somebody was faster."""
        trial_id = _id(trial)
        with suppress(UpdateFinishedTrialError):
            if self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                self._storage.set_trial_user_attr(trial_id, HOLDER, self._signature(deaths_of(trial)))
                self._hold(trial_id)
                return True
        return False

    @contextmanager
    def kept(self, trial_id: int) -> Iterator[None]:
        """Let go of a lease that was just taken if the block fails: nobody would work on it, nor end it."""
        try:
            yield
        except BaseException:
            self._held.discard(trial_id)
            raise

    def made(self, trial: FrozenTrial) -> bool:
        """Whether this object took a lease last, which it may not know if the storage failed just then."""
        return last_holder(trial) is not None and trial.user_attrs[HOLDER].get("mark") == self._mark

    def note(self, trial_id: int, key: str, value: Any) -> bool:
        """Write an attribute into a lease, which whoever takes it over finds there; False if it ended meanwhile."""
        try:
            self._storage.set_trial_user_attr(trial_id, key, value)
        except UpdateFinishedTrialError:
            return False
        return True

    def end(self, trial_id: int, state: TrialState) -> bool:
        """End a lease; False if it had ended before."""
        self._held.discard(trial_id)
        values = [0.0] if state is TrialState.COMPLETE else None
        try:
            return self._storage.set_trial_state_values(trial_id, state, values)
        except UpdateFinishedTrialError:
            return False

    def renew(self, trial: FrozenTrial, *, is_death: bool) -> None:
        """Put a trial that waits in the place of a lease that failed; without its holder where nobody died."""
        if is_death:
            self._retry(self._study, copy.deepcopy(trial))  # it adds to the list it finds
            return
        attributes = {key: value for key, value in trial.user_attrs.items() if key != HOLDER}
        system = {_ORIGIN: origin_of(trial), _HISTORY: list(trial.system_attrs.get(_HISTORY, ()))}
        self._study.add_trial(create_trial(state=TrialState.WAITING, user_attrs=attributes, system_attrs=system))

    def sweep(self) -> None:
        """Fail the leases of the dead, and those that were lost on the way here; let others wait in their place."""
        running = [trial for trial in self.trials() if trial.state is TrialState.RUNNING]
        for trial in running:
            holder = last_holder(trial)
            is_death = holder is not None and holder.is_gone
            is_lost = self.made(trial) and _id(trial) not in self._held  # the answer to its making was
            if (is_death or is_lost) and self.end(_id(trial), TrialState.FAIL):
                self.renew(self._storage.get_trial(_id(trial)), is_death=is_death)  # with what it wrote since
        self._listen({_id(trial) for trial in running})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # pinned by tests/tuning/test_leases.py
            fail_stale_trials(self._study)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keep the leases that this process holds alive, from a thread of its own."""
        done = threading.Event()
        thread = threading.Thread(target=self._beat, args=(done,), name="nercc-tune-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self, done: threading.Event) -> None:
        interval = self._rdb.get_heartbeat_interval()
        while not done.wait(interval):
            for trial_id in tuple(self._held):
                with suppress(*STORAGE_FAILURES):  # the next beat may get through; if none does, the lease goes stale
                    self._rdb.record_heartbeat(trial_id)

    def _hold(self, trial_id: int) -> None:
        self._rdb.record_heartbeat(trial_id)
        self._heard.add(trial_id)
        self._held.add(trial_id)

    def _signature(self, deaths: int) -> dict[str, Any]:
        """Say who holds a lease, and after how many deaths: what replaces a dead lease inherits its attributes."""
        return {"holder": to_json(self._me), "deaths": deaths, "mark": self._mark}

    def _listen(self, running: set[int]) -> None:
        """Give a heartbeat to leases that never had one: their holders died before, and Optuna would wait for ever."""
        unheard = running - self._heard
        if not unheard:
            return
        table = sqlalchemy.table("trial_heartbeats", sqlalchemy.column("trial_id"))
        with self._rdb.engine.connect() as connection:
            found = connection.execute(sqlalchemy.select(table.c.trial_id).where(table.c.trial_id.in_(unheard)))
            silent = unheard - {int(trial_id) for (trial_id,) in found}
        for trial_id in silent:
            self._rdb.record_heartbeat(trial_id)
        self._heard |= unheard


def last_holder(trial: FrozenTrial) -> Holder | None:
    """Return who holds a lease, or held it last; None where its holder has not said so yet."""
    signature = trial.user_attrs.get(HOLDER)
    if signature is None or signature["deaths"] != deaths_of(trial):
        return None
    return from_json(Holder, signature["holder"])


def deaths_of(trial: FrozenTrial) -> int:
    """Return how many holders of a lease and its predecessors died."""
    return len(trial.system_attrs.get(_HISTORY, ()))


def origin_of(trial: FrozenTrial) -> int:
    """Return the number of the first lease in whose place a lease stands; its own if it stands in no other's."""
    return int(trial.system_attrs.get(_ORIGIN, trial.number))


def _id(trial: FrozenTrial) -> int:
    return trial._trial_id  # noqa: SLF001 - Optuna's storages take it, and offer no other way to it
