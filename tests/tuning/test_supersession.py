"""Two workers that hold one proposal: it is written once, in whatever order their steps come."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage, get_storage
from optuna.trial import TrialState

from nercc_tune.records import TrialRecord
from nercc_tune.tuning import CellStudy
from nercc_tune.tuning.cell_reading import proposal_of
from nercc_tune.tuning.cell_study import SupersededError
from nercc_tune.tuning.samplers import sampler_for
from tests.tuning.cells import SPEC, cell_in, open_cell, record_of
from tests.tuning.leasing import opened
from tests.tuning.stepping import Stepper, run_in_order, stepped

ENDS = {"scored": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
# Of one that adds: creating, reading, failing the other, reading again, finishing. One that asks reads its trial too,
# and tells its record before it finishes.
ADDING, ASKING = 5, 7


def _record(proposal: int, kind: str) -> TrialRecord:
    record = record_of(proposal)
    if kind == "scored":
        return record
    blank = replace(record, score=None, profile=())
    return replace(blank, pruned_after=1) if kind == "pruned" else replace(blank, reason="not finite")


@dataclass
class Worker:
    """Brings a proposal to a cell as a search does: where it is superseded it looks, and goes on."""

    study: CellStudy
    proposal: int
    kind: str
    asks: bool = False
    told: list[TrialRecord] = field(default_factory=list)

    def run(self) -> None:
        while not self.told:
            try:
                self.told.append(self._attempt())
            except SupersededError:
                if any(record.proposal == self.proposal for record in self.study.records()):
                    return

    def _attempt(self) -> TrialRecord:
        record = _record(self.proposal, self.kind)
        if not self.asks:
            return self.study.add(record)
        trial = self.study.ask(sampler_for(SPEC, 0), proposal=self.proposal)
        return self.study.tell(trial, record)


def _check(workers: Sequence[Worker]) -> None:
    """Whoever wrote it, there is one record, in a trial that ended so; all others failed.

    One that failed may be there though each worker thinks that it is the other's.
    """
    study, proposal = workers[0].study, workers[0].proposal
    kinds = {worker.kind for worker in workers}
    trials = [trial for trial in study._study.get_trials(deepcopy=False) if proposal_of(trial) == proposal]
    unfailed = [trial.state for trial in trials if trial.state is not TrialState.FAIL]
    told = [record for worker in workers for record in worker.told]
    (record,) = (record for record in study.records() if record.proposal == proposal)
    assert unfailed in [[ENDS[kind]] if kind != "failed" else [] for kind in kinds]
    if record.reason is None:
        assert told == [record]
        assert [study._study.get_trials(deepcopy=False)[record.number].state] == unfailed


def _all_orders(first: int, second: int) -> Iterator[list[int]]:
    """Return every order of so many steps of each of two workers."""
    for taken in itertools.combinations(range(first + second), first):
        yield [0 if at in taken else 1 for at in range(first + second)]


def _some_orders(*steps: int, count: int) -> Iterator[list[int]]:
    """Return orders at random, in which workers stay at work for some steps too."""
    generator = random.Random(0)  # noqa: S311 - no secret
    for _ in range(count):
        order = [number for number, each in enumerate(steps) for _ in range(each)]
        generator.shuffle(order)
        yield order


def _try(orders: Iterator[list[int]], *kinds: str, asks: Sequence[bool]) -> int:
    """Let workers take their steps in each order, for a proposal of its own; return in how many all wrote."""
    lost = 0
    for proposal, order in enumerate(orders):
        if proposal % 50 == 0:  # what is long is read slowly
            study = open_cell(stepped(InMemoryStorage()))
        workers = [Worker(study, proposal, kind, own) for kind, own in zip(kinds, asks, strict=True)]
        run_in_order([Stepper(worker.run) for worker in workers], order)
        _check(workers)
        lost += any(not worker.told for worker in workers)
    return lost


@pytest.mark.parametrize("kind", ENDS)
def test_a_proposal_is_added_once_in_every_order_of_two_workers(kind: str) -> None:
    assert _try(_all_orders(ADDING, ADDING), kind, kind, asks=(False, False)) > 0


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ENDS, 2)))
def test_workers_that_find_different_things_write_one_of_them(first: str, second: str) -> None:
    """On another machine a proposal may need more memory, or be pruned by what was known then."""
    _try(_all_orders(ADDING, ADDING), first, second, asks=(False, False))
    _try(_some_orders(ASKING, ASKING, count=150), first, second, asks=(True, True))


@pytest.mark.parametrize("kind", ENDS)
def test_a_proposal_is_told_once_in_many_orders(kind: str) -> None:
    assert _try(_some_orders(ASKING, ADDING, count=150), kind, kind, asks=(True, False)) > 0
    assert _try(_some_orders(ASKING, ASKING, count=150), kind, kind, asks=(True, True)) > 0


def test_three_workers_write_it_once_too() -> None:
    assert _try(_some_orders(ADDING, ADDING, ASKING, count=300), *["scored"] * 3, asks=(False, False, True)) > 0


@pytest.mark.slow
def test_the_steps_in_a_database_are_those_in_memory(tmp_path: Path) -> None:
    """Each worker has a storage of its own, with what it remembers."""
    cells = [open_cell(stepped(get_storage(opened(tmp_path)))) for _ in range(2)]
    for proposal, order in enumerate(itertools.islice(_all_orders(ADDING, ADDING), 0, None, 5)):
        workers = [Worker(study, proposal, "scored") for study in cells]
        run_in_order([Stepper(worker.run) for worker in workers], order)
        _check(workers)
        _check(workers[::-1])


def test_a_late_worker_is_told_that_it_was_superseded(tmp_path: Path) -> None:
    late, study = cell_in(tmp_path), cell_in(tmp_path)
    trial = late.ask(sampler_for(SPEC, 0), proposal=0)
    added = study.add(record_of(0))
    with pytest.raises(SupersededError, match=r"^$"):
        late.tell(trial, record_of(0))
    with pytest.raises(SupersededError, match=r"^$"):
        late.add(record_of(0))
    with pytest.raises(SupersededError, match=r"^$"):
        late.ask(sampler_for(SPEC, 0), proposal=0)
    assert late.records() == study.records() == (added,)


def test_a_worker_that_was_failed_may_not_tell(tmp_path: Path) -> None:
    """Also where nobody has finished the proposal yet."""
    late, study = cell_in(tmp_path), cell_in(tmp_path)
    trial = late.ask(sampler_for(SPEC, 0), proposal=0)
    other = study.ask(sampler_for(SPEC, 0), proposal=0)
    for kind in ENDS:
        with pytest.raises(SupersededError, match=r"^$"):
            late.tell(trial, _record(0, kind))
    told = study.tell(other, record_of(0))
    assert late.records() == (told,)


@pytest.mark.parametrize("kind", ENDS)
def test_a_tell_whose_answer_was_lost_passes(kind: str, tmp_path: Path) -> None:
    study = cell_in(tmp_path)
    trial = study.ask(sampler_for(SPEC, 0), proposal=0)
    told = study.tell(trial, _record(0, kind))
    assert study.tell(trial, _record(0, kind)) == told
    assert study.records() == (told,)


def test_trials_of_other_proposals_are_left_alone(tmp_path: Path) -> None:
    study, other = cell_in(tmp_path), cell_in(tmp_path)
    trial = study.ask(sampler_for(SPEC, 0), proposal=0)
    other.add(record_of(1))
    other.abandon(other.ask(sampler_for(SPEC, 2), proposal=2))
    study.tell(trial, record_of(0))
    assert [record.proposal for record in other.records()] == [0, 1]
