from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial

from nercc_tune.tuning.holder import Holder
from nercc_tune.tuning.leases import HOLDER, Leases, deaths_of, last_holder, origin_of
from tests.tuning.children import die, run_all, run_killed
from tests.tuning.leasing import (
    ELSEWHERE,
    NAME,
    heartbeats,
    leases_in,
    opened,
    silence,
    states,
    trial_of,
)

RUNNING, WAITING, COMPLETE, FAIL = TrialState.RUNNING, TrialState.WAITING, TrialState.COMPLETE, TrialState.FAIL


def _create(folder: Path, count: int) -> list[int]:
    leases = leases_in(folder)
    return [trial_of(leases, leases.create({})).number for _ in range(count)]


def _create_and_die(folder: Path, **attributes: object) -> None:
    leases_in(folder).create(attributes)
    die()


def _wait(leases: Leases, **attributes: object) -> FrozenTrial:
    """Let a lease wait that was given back."""
    trial_id = leases.create(attributes)
    assert leases.end(trial_id, FAIL)
    leases.renew(trial_of(leases, trial_id), is_death=False)
    return leases.trials()[-1]


def _claim(folder: Path, number: int) -> bool:
    leases = leases_in(folder)
    return leases.claim(leases.trials()[number])


def test_a_lease_runs_under_its_holder_and_has_a_heartbeat(tmp_path: Path) -> None:
    leases = leases_in(tmp_path)
    trial_id = leases.create({"b": 2})
    (trial,) = leases_in(tmp_path).trials()
    assert trial.state is RUNNING
    assert trial.user_attrs["b"] == 2
    assert last_holder(trial) == Holder.here()
    assert set(heartbeats(leases)) == {trial_id}
    assert (deaths_of(trial), origin_of(trial)) == (0, 0)
    assert leases._study.user_attrs == {"a": 1}


def test_processes_that_create_leases_at_once_get_all_numbers(tmp_path: Path) -> None:
    leases_in(tmp_path)
    found = run_all(*[partial(_create, tmp_path, 5)] * 4)
    assert sorted(number for numbers in found for number in numbers) == list(range(20))


def test_a_lease_that_waits_is_claimed_by_one_process(tmp_path: Path) -> None:
    waiting = _wait(leases_in(tmp_path))
    found = run_all(*[partial(_claim, tmp_path, waiting.number)] * 4)
    assert sorted(found) == [False, False, False, True]


@pytest.mark.parametrize("end", [None, COMPLETE, FAIL])
def test_a_lease_that_does_not_wait_is_not_claimed(end: TrialState | None, tmp_path: Path) -> None:
    leases = leases_in(tmp_path)
    waiting = _wait(leases)
    assert leases.claim(waiting)
    if end is not None:
        assert leases.end(waiting._trial_id, end)
    assert not leases_in(tmp_path).claim(waiting)
    assert states(leases)[waiting.number] is (end or RUNNING)


def test_a_claim_names_its_holder_and_has_a_heartbeat(tmp_path: Path) -> None:
    waiting = _wait(leases_in(tmp_path))
    leases = leases_in(tmp_path, machine=ELSEWHERE)
    assert last_holder(waiting) is None
    assert leases.claim(waiting)
    holder = last_holder(trial_of(leases, waiting._trial_id))
    assert holder is not None
    assert holder.machine == ELSEWHERE
    assert waiting._trial_id in heartbeats(leases)


def test_a_lease_ends_once(tmp_path: Path) -> None:
    leases = leases_in(tmp_path)
    trial_id = leases.create({})
    assert leases.end(trial_id, COMPLETE)
    assert not leases_in(tmp_path).end(trial_id, FAIL)
    assert states(leases) == [COMPLETE]


def test_what_is_noted_is_there_for_whoever_takes_over(tmp_path: Path) -> None:
    leases = leases_in(tmp_path)
    trial_id = leases.create({})
    assert leases.note(trial_id, "plan", {"λ": 1e-300})
    leases.end(trial_id, FAIL)
    assert not leases.note(trial_id, "plan", {})
    leases.renew(trial_of(leases, trial_id), is_death=False)
    assert leases_in(tmp_path).trials()[-1].user_attrs["plan"] == {"λ": 1e-300}


def test_leases_of_the_dead_fail_at_once_and_others_wait_in_their_place(tmp_path: Path) -> None:
    run_killed(partial(_create_and_die, tmp_path, b=[2]))
    leases = leases_in(tmp_path)
    leases.sweep()
    assert states(leases) == [FAIL, WAITING]
    waiting = leases.trials()[1]
    assert waiting.user_attrs["b"] == [2]
    assert (origin_of(waiting), deaths_of(waiting)) == (0, 1)
    leases.sweep()
    assert states(leases) == [FAIL, WAITING]


def test_a_death_that_follows_a_note_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper reads the leases, the holder writes its plan and dies, and only then the sweeper looks after it."""
    late = leases_in(tmp_path)
    trial_id = late.create({})
    leases = leases_in(tmp_path)

    def write_and_die(_: Holder) -> bool:
        return late.note(trial_id, "plan", 1)

    monkeypatch.setattr(Holder, "is_gone", property(write_and_die))
    leases.sweep()
    assert leases.trials()[1].user_attrs["plan"] == 1


def test_leases_of_the_living_are_left_alone(tmp_path: Path) -> None:
    for machine in (None, ELSEWHERE):
        leases_in(tmp_path, machine=machine).create({})
    leases = leases_in(tmp_path)
    leases.sweep()
    assert states(leases) == [RUNNING, RUNNING]


def test_a_silent_lease_fails_wherever_its_holder_is(tmp_path: Path) -> None:
    leases_in(tmp_path, machine=ELSEWHERE).create({"b": 2})
    silence(tmp_path, seconds=50)
    leases = leases_in(tmp_path)
    leases.sweep()
    assert states(leases) == [RUNNING]
    silence(tmp_path, seconds=70)
    leases.sweep()
    assert states(leases) == [FAIL, WAITING]
    assert leases.trials()[1].user_attrs["b"] == 2
    assert deaths_of(leases.trials()[1]) == 1


def test_of_many_who_sweep_one_puts_another_in_the_place(tmp_path: Path) -> None:
    leases_in(tmp_path, machine=ELSEWHERE).create({})
    run_killed(partial(_create_and_die, tmp_path))
    silence(tmp_path)
    run_all(*[lambda: leases_in(tmp_path).sweep()] * 4)
    assert sorted(states(leases_in(tmp_path))) == sorted([FAIL, FAIL, WAITING, WAITING])


def test_a_lease_whose_holder_died_before_its_first_heartbeat_gets_one_and_goes_stale(tmp_path: Path) -> None:
    """Optuna itself would never fail it."""
    leases = leases_in(tmp_path)
    study = optuna.load_study(study_name=NAME, storage=opened(tmp_path))
    study.add_trial(create_trial(state=RUNNING))
    assert heartbeats(leases) == {}
    leases.sweep()
    assert len(heartbeats(leases)) == 1
    assert states(leases) == [RUNNING]
    silence(tmp_path)
    leases.sweep()
    assert states(leases) == [FAIL, WAITING]


def test_a_sweep_is_no_heartbeat(tmp_path: Path) -> None:
    leases_in(tmp_path, machine=ELSEWHERE).create({})
    silence(tmp_path, seconds=50)
    before = heartbeats(leases_in(tmp_path))
    leases_in(tmp_path).sweep()
    assert heartbeats(leases_in(tmp_path)) == before


def test_a_holder_that_was_inherited_is_not_believed(tmp_path: Path) -> None:
    """Of a claim that has not said yet whose it is: the lease would look dead, since its earlier holder is."""
    run_killed(partial(_create_and_die, tmp_path))
    leases = leases_in(tmp_path)
    leases.sweep()
    waiting = leases.trials()[1]
    assert HOLDER in waiting.user_attrs
    assert leases._storage.set_trial_state_values(waiting._trial_id, RUNNING)
    claimed = trial_of(leases, waiting._trial_id)
    assert last_holder(claimed) is None
    leases.sweep()
    assert states(leases) == [FAIL, RUNNING]


def test_deaths_are_counted_and_what_was_given_back_is_none(tmp_path: Path) -> None:
    """Two deaths, then one release, then a death."""

    def take_and_die() -> None:
        leases = leases_in(tmp_path)
        leases.sweep()
        assert leases.claim(leases.trials()[-1])
        die()

    run_killed(partial(_create_and_die, tmp_path))
    run_killed(take_and_die)
    leases = leases_in(tmp_path)
    leases.sweep()
    waiting = leases.trials()[-1]
    assert deaths_of(waiting) == 2
    assert leases.claim(waiting)
    leases.end(waiting._trial_id, FAIL)
    leases.renew(trial_of(leases, waiting._trial_id), is_death=False)
    assert deaths_of(leases.trials()[-1]) == 2
    assert HOLDER not in leases.trials()[-1].user_attrs
    run_killed(take_and_die)
    leases.sweep()
    assert deaths_of(leases.trials()[-1]) == 3
    assert {origin_of(trial) for trial in leases.trials()} == {0}
    assert states(leases) == [FAIL, FAIL, FAIL, FAIL, WAITING]


def test_the_holder_is_kept_alive_by_heartbeats(tmp_path: Path) -> None:
    leases = leases_in(tmp_path, heartbeat_s=1)
    kept, ended = leases.create({}), leases.create({})
    leases.end(ended, FAIL)
    silence(tmp_path)
    before = heartbeats(leases)
    leases._rdb.heartbeat_interval = 0.02  # type: ignore[assignment]  # Optuna asks for whole seconds
    with leases.beating():
        _until(lambda: heartbeats(leases)[kept] > before[kept])
    assert heartbeats(leases)[ended] == before[ended]


def test_the_thread_of_heartbeats_outlives_a_storage_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = leases_in(tmp_path, heartbeat_s=1)
    trial_id = leases.create({})
    silence(tmp_path)
    before = heartbeats(leases)
    kept, calls = leases._rdb.record_heartbeat, [StorageInternalError("gone")] * 3

    def fail_at_first(trial_id: int) -> None:
        if calls:
            raise calls.pop()
        kept(trial_id)

    monkeypatch.setattr(leases._rdb, "record_heartbeat", fail_at_first)
    leases._rdb.heartbeat_interval = 0.02  # type: ignore[assignment]  # Optuna asks for whole seconds
    with leases.beating():
        _until(lambda: heartbeats(leases)[trial_id] > before[trial_id])


def _until(condition: Callable[[], Any], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_attributes_that_optuna_writes_for_a_dead_trial_are_as_they_are_read_here(tmp_path: Path) -> None:
    """They are not documented: a version of Optuna that renames them must not pass."""
    study = optuna.create_study(storage=opened(tmp_path))
    study.add_trial(create_trial(state=FAIL, user_attrs={"plan": 1}))
    with pytest.warns(ExperimentalWarning, match="RetryHeartbeatStaleTrialCallback is experimental"):
        retry = RetryHeartbeatStaleTrialCallback()
    retry(study, study.trials[0])
    retry(study, study.trials[1])
    last = study.trials[2]
    assert last.system_attrs == {"failed_trial": 0, "retry_history": [0, 1]}
    assert last.user_attrs == {"plan": 1}
    assert (origin_of(last), deaths_of(last)) == (0, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        assert RetryHeartbeatStaleTrialCallback.retried_trial_number(last) == origin_of(last)
        assert len(RetryHeartbeatStaleTrialCallback.retry_history(last)) == deaths_of(last)


def test_what_is_hushed_is_experimental(tmp_path: Path) -> None:
    """Where Optuna warns no more, `simplefilter` is to go from nercc_tune.tuning.leases."""
    leases = leases_in(tmp_path)
    with pytest.warns(ExperimentalWarning, match="fail_stale_trials is experimental"):
        fail_stale_trials(leases._study)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        leases_in(tmp_path).sweep()
