from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nercc_tune.errors import HomeError
from nercc_tune.tuning import Ledger
from nercc_tune.tuning.holder import Holder
from nercc_tune.tuning.ledger import Lease, ledger_name, read_leases
from tests.tuning.children import die, held, run_all, run_killed
from tests.tuning.leasing import ELSEWHERE, ledger_in, silence, states

RUNNING, WAITING, COMPLETE, FAIL = TrialState.RUNNING, TrialState.WAITING, TrialState.COMPLETE, TrialState.FAIL
LAUNCH = {"nercc_tune.role": "launch"}


def _trials(*origins: int | str | None) -> list[FrozenTrial]:
    """Make leases: None is a new one, a number the one in whose place it stands, "launch" no proposal at all."""
    made = []
    for number, origin in enumerate(origins):
        system = {"failed_trial": origin, "retry_history": [origin]} if isinstance(origin, int) else {}
        is_launch = origin == "launch" or (isinstance(origin, int) and origins[origin] == "launch")
        trial = create_trial(state=WAITING, user_attrs=LAUNCH if is_launch else {}, system_attrs=system)
        trial.number = trial._trial_id = number
        made.append(trial)
    return made


@pytest.mark.parametrize(
    ("origins", "proposals"),
    [
        ([], []),
        ([None, None, None], [0, 1, 2]),
        ([None, None, 0, None, 1], [0, 1, 0, 2, 1]),
        ([None, 0, 0, 0, None], [0, 0, 0, 0, 1]),  # a replacement of a replacement names the first
        (["launch", None, "launch", None, 1], [0, 1, 0]),
        (["launch", 0, None, 2], [0, 0]),  # Optuna renews the launch of a dead process too
    ],
)
def test_the_proposal_of_a_lease_is_its_rank(origins: Sequence[int | str | None], proposals: Sequence[int]) -> None:
    trials = _trials(*origins)
    assert [lease.proposal for lease in read_leases(trials)] == list(proposals)


def test_a_lease_is_read_with_all_that_is_known_of_it() -> None:
    first, second = read_leases(_trials(None, 0))
    assert (first.number, first.is_inherited, first.deaths, first.plan, first.state) == (0, False, 0, None, WAITING)
    assert (second.number, second.is_inherited, second.deaths) == (1, True, 1)


def _take_all(folder: Path, budget: int) -> list[int]:
    ledger = ledger_in(folder)
    taken = []
    while (lease := ledger.take(budget=budget, may_begin=True)) is not None:
        taken.append(lease.proposal)
        ledger.finish(lease)
    return taken


def _take(ledger: Ledger, budget: int = 9) -> Lease:
    lease = ledger.take(budget=budget, may_begin=True)
    assert lease is not None
    return lease


def test_proposals_are_given_in_their_order_up_to_the_budget(tmp_path: Path) -> None:
    assert _take_all(tmp_path, 3) == [0, 1, 2]
    ledger = ledger_in(tmp_path)
    assert ledger.take(budget=3, may_begin=True) is None
    assert ledger.finished() == {0, 1, 2}
    assert ledger.is_settled(budget=3)


def test_none_is_begun_that_may_not_be(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    assert ledger.take(budget=3, may_begin=False) is None
    ledger.release(_take(ledger))
    again = ledger.take(budget=3, may_begin=False)
    assert again is not None
    assert (again.proposal, again.number, again.is_inherited, again.deaths) == (0, 1, True, 0)


@pytest.mark.parametrize("budget", [1, 4, pytest.param(30, marks=pytest.mark.slow)])
def test_eight_processes_that_race_never_exceed_the_budget(budget: int, tmp_path: Path) -> None:
    ledger_in(tmp_path)
    found = run_all(*[partial(_take_all, tmp_path, budget)] * 8)
    assert sorted(itertools.chain(*found)) == list(range(budget))
    ledger = ledger_in(tmp_path)
    assert ledger.is_settled(budget=budget)
    more = run_all(*[partial(_take_all, tmp_path, budget + 9)] * 2)
    assert sorted(itertools.chain(*more)) == list(range(budget, budget + 9))


def test_a_lease_beyond_the_budget_is_given_when_the_budget_is_raised(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    _take(ledger)
    late, early = ledger_in(tmp_path), ledger_in(tmp_path)
    create = late._leases.create

    def be_slow(attributes: dict[str, Any]) -> int:
        _take(early, 2)
        return create(attributes)

    late._leases.create = be_slow  # type: ignore[method-assign,assignment]  # between its reading and its writing
    assert late.take(budget=2, may_begin=True) is None
    assert states(ledger) == [RUNNING, RUNNING, FAIL]
    assert ledger.take(budget=2, may_begin=True) is None
    assert [_take(ledger, 4).proposal for _ in range(2)] == [2, 3]
    assert ledger.take(budget=4, may_begin=True) is None


def test_what_waits_comes_before_what_is_new_and_the_first_first(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    leases = [_take(ledger) for _ in range(4)]
    for proposal in (2, 0, 3):
        ledger.release(leases[proposal])
    assert [_take(ledger).proposal for _ in range(5)] == [0, 2, 3, 4, 5]


def test_what_waits_beyond_the_budget_is_left(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    leases = [_take(ledger) for _ in range(3)]
    ledger.release(leases[2])
    assert ledger.take(budget=2, may_begin=True) is None
    for lease in leases[:2]:
        assert not ledger.is_settled(budget=2)
        ledger.finish(lease)
    assert ledger.is_settled(budget=2)
    assert not ledger.is_settled(budget=3)


def _take_plan_and_die(folder: Path) -> None:
    ledger = ledger_in(folder)
    assert ledger.note_plan(_take(ledger), {"λ": 0.1})
    die()


def test_a_dead_workers_proposal_goes_to_the_next_with_its_plan(tmp_path: Path) -> None:
    run_killed(partial(_take_plan_and_die, tmp_path))
    ledger = ledger_in(tmp_path)
    assert not ledger.is_settled(budget=9)
    assert ledger.take(budget=1, may_begin=True) is None
    ledger.sweep()
    assert not ledger.is_settled(budget=9)
    lease = _take(ledger)
    assert (lease.proposal, lease.deaths, lease.plan, lease.is_inherited) == (0, 1, {"λ": 0.1}, True)


def test_a_replacement_that_was_lost_is_renewed(tmp_path: Path) -> None:
    """Whoever failed the lease died before it could let another one wait."""
    ledger = ledger_in(tmp_path)
    lease = _take(ledger)
    ledger.note_plan(lease, {"λ": 0.1})
    ledger._leases.end(lease.trial_id, FAIL)
    assert not ledger.is_settled(budget=9)
    assert ledger.is_settled(budget=0)
    again = ledger_in(tmp_path).take(budget=1, may_begin=False)
    assert again is not None
    assert (again.proposal, again.plan, again.deaths) == (0, {"λ": 0.1}, 0)
    assert states(ledger) == [FAIL, RUNNING]


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_replacements_only_one_is_worked_on(first: int, tmp_path: Path) -> None:
    """Two workers saw that one was lost; whichever is claimed first, the one with the smaller number lives."""
    ledger = ledger_in(tmp_path)
    lease = _take(ledger)
    ledger._leases.end(lease.trial_id, FAIL)
    for _ in range(2):
        ledger._leases.renew(lease.trial, is_death=False)
    waiting = ledger._read()[1:]
    assert [other.proposal for other in waiting] == [0, 0]
    assert [ledger._claim(other) for other in (waiting if first == 0 else waiting[::-1])].count(True) == 1
    assert states(ledger) == [FAIL, RUNNING, FAIL]
    assert [lease.proposal for lease in (_take(ledger), _take(ledger))] == [1, 2]
    ledger.finish(ledger._read()[1])
    assert ledger_in(tmp_path).finished() == {0}


@pytest.mark.parametrize("state", [RUNNING, COMPLETE])
def test_a_duplicate_of_what_lives_is_not_worked_on(state: TrialState, tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    lease = _take(ledger)
    ledger._leases.renew(lease.trial, is_death=False)
    if state is COMPLETE:
        ledger.finish(lease)
    assert _take(ledger_in(tmp_path)).proposal == 1
    assert states(ledger) == [state, FAIL, RUNNING]


def test_a_holder_that_seemed_dead_sees_that_it_lost_its_lease(tmp_path: Path) -> None:
    slow = ledger_in(tmp_path, machine=ELSEWHERE)
    lease = _take(slow)
    assert slow.holds(lease)
    silence(tmp_path)
    ledger = ledger_in(tmp_path)
    ledger.sweep()
    assert not slow.holds(lease)
    assert not slow.note_plan(lease, {})
    assert _take(ledger).proposal == 0
    slow.release(lease)
    slow.finish(lease)
    assert states(ledger) == [FAIL, RUNNING]


def test_plans_before_are_those_of_smaller_numbers_that_run(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    leases = [_take(ledger) for _ in range(5)]
    for lease in (leases[0], leases[1], leases[3], leases[4]):
        ledger.note_plan(lease, {"of": lease.proposal})
    ledger.finish(leases[1])
    assert ledger.plans_before(leases[0]) == []
    assert ledger.plans_before(leases[3]) == [{"of": 0}, None]
    ledger.sweep()
    assert ledger.plans_before(leases[3]) == [{"of": 0}, None]
    ledger.release(leases[0])
    assert ledger.plans_before(leases[3]) == [None]
    assert ledger.plans_before(_take(ledger)) == [None, {"of": 3}, {"of": 4}]


def test_a_launch_is_no_proposal(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    with ledger.conducted():
        assert ledger.is_settled(budget=9)
        lease = _take(ledger)
        assert (lease.proposal, lease.number) == (0, 1)
        assert ledger.plans_before(lease) == []


_launches: list[object] = []  # what is not kept is left


def _conduct(folder: Path) -> Holder:
    """Begin to launch, and stay in it until the process ends."""
    launch = ledger_in(folder).conducted()
    launch.__enter__()
    _launches.append(launch)
    return Holder.here()


def test_a_second_launch_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    with held(partial(_conduct, tmp_path)) as (pid, holder):
        refusal = (
            f"study `tiny` is being launched by process {pid} on .*; wait for it, or join it with `nercc-tune worker "
            "tiny`"
        )
        with pytest.raises(HomeError, match=refusal), ledger.conducted():
            pytest.fail("two launches at once")
        assert ledger.conductor() == holder
    with ledger.conducted():  # the first was killed
        assert ledger.conductor() == Holder.here()
    assert ledger.conductor() is None
    assert ledger.launched_by() == Holder.here()


def test_a_launch_that_is_refused_leaves_the_other_alone(tmp_path: Path) -> None:
    first, second = ledger_in(tmp_path), ledger_in(tmp_path)
    with first.conducted():
        for _ in range(2):
            with pytest.raises(HomeError, match="is being launched by"), second.conducted():
                pytest.fail("two launches at once")
        assert second.conductor() == Holder.here()
    with second.conducted():
        pass
    assert RUNNING not in states(first)


def test_a_launch_on_another_machine_that_fell_silent_is_taken_over(tmp_path: Path) -> None:
    block = ledger_in(tmp_path, machine=ELSEWHERE).conducted()
    block.__enter__()
    ledger = ledger_in(tmp_path)
    with pytest.raises(HomeError, match=r"is being launched by process \d+ on far; wait"), ledger.conducted():
        pytest.fail("two launches at once")
    silence(tmp_path)
    with ledger.conducted():
        assert ledger.conductor() == Holder.here()
    assert set(states(ledger)) == {FAIL}
    block.__exit__(None, None, None)


def _try_to_conduct(folder: Path) -> bool:
    ledger = ledger_in(folder)
    try:
        with ledger.conducted():
            return ledger.conductor() is not None
    except HomeError:
        return False


def test_of_launches_at_once_the_first_wins(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    with ledger.conducted():
        assert run_all(*[partial(_try_to_conduct, tmp_path)] * 3) == [False] * 3
    assert any(run_all(*[partial(_try_to_conduct, tmp_path)] * 3))


def test_a_ledger_is_a_study_beside_those_of_the_cells(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    assert ledger._leases._study.study_name == ledger_name("tiny") == "tiny/proposals"
    assert ledger._leases._study.user_attrs == {"nercc_tune.ledger": "tiny"}
