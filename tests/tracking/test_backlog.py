from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.tracking.backlog import Backlog, Files
from tests.builders import cell, finished, searched, study, trial

PLACE = cell(40)


def test_what_the_storage_had_waits_until_it_was_found() -> None:
    backlog = Backlog(study(searched(40)))
    assert (backlog.trials, backlog.waiting) == (4, 4)
    history, number = backlog.whole()
    assert history == study(searched(40))
    backlog.confirm({(record.uid, record.started_ms) for record in history.cells[0].trials[1:]}, number)
    assert backlog.next_trial() == (PLACE, history.cells[0].trials[0])
    backlog.sent_trial(history.cells[0].trials[0])
    assert (backlog.next_trial(), backlog.waiting) == (None, 0)


def test_trials_come_in_their_order_and_one_that_is_not_taken_comes_last() -> None:
    backlog = Backlog(study(searched(40, mses=())))
    records = [trial(PLACE, proposal, 0.05) for proposal in range(3)]
    for record in (*records, records[0]):
        backlog.tell_trial(PLACE, record)
    backlog.postpone(records[0])
    backlog.confirm((), 0)
    order = []
    while (following := backlog.next_trial() or backlog.next_trial(is_postponed=True)) is not None:
        order.append(following[1].proposal)
        backlog.sent_trial(following[1])
    assert order == [1, 2, 0]


def test_a_store_that_lost_a_trial_gets_it_again() -> None:
    backlog = Backlog(study(searched(40, mses=())))
    record = trial(PLACE, 0, 0.05)
    backlog.tell_trial(PLACE, record)
    backlog.sent_trial(record)
    backlog.confirm((), 0)
    assert backlog.next_trial() == (PLACE, record)


def test_the_whole_study_has_each_trial_once() -> None:
    backlog = Backlog(study(searched(40, mses=(0.05,)), searched(60, mses=())))
    for record in (trial(PLACE, 0, 0.05), trial(PLACE, 1, 0.04)):
        backlog.tell_trial(PLACE, record)
    history, _ = backlog.whole()
    assert [record.proposal for record in history.cells[0].trials] == [0, 1]
    result = finished(study(searched(40), searched(60)))
    backlog.tell_result(result)
    assert backlog.whole() == (result, 1)
    assert backlog.trials == 8


def test_the_latest_result_is_sent_and_one_told_meanwhile_waits() -> None:
    backlog = Backlog(study(searched(40)))
    backlog.confirm({(record.uid, record.started_ms) for record in searched(40).trials}, 0)
    assert backlog.next_result() is None
    backlog.tell_result(study(searched(40)))
    first = backlog.next_result()
    assert first is not None
    backlog.tell_result(finished(study(searched(40))))
    backlog.sent_result(first[1])
    assert backlog.waiting == 1
    second = backlog.next_result()
    assert second is not None
    assert second[0].is_finished
    backlog.sent_result(second[1])
    assert backlog.waiting == 0


def test_files_wait_again_where_they_went_to_other_runs() -> None:
    backlog = Backlog(study(searched(40, mses=())))
    backlog.tell_files([Path("a")], None)
    backlog.tell_files([Path("b")], PLACE)
    backlog.sent_files()
    assert backlog.next_files() == Files(paths=(Path("b"),), cell=PLACE)
    backlog.sent_files()
    assert (backlog.next_files(), backlog.waiting) == (None, 0)
    backlog.resend_files()
    assert backlog.waiting == 2


def test_a_cell_of_another_study_is_refused() -> None:
    backlog = Backlog(study(searched(40)))
    with pytest.raises(ValueError, match="`cell` must be one of the study that was opened, but got `lenet5-mnist/K50"):
        backlog.tell_trial(cell(60), trial(cell(60), 0, 0.05))
    with pytest.raises(ValueError, match="`cell` must be one of the study that was opened"):
        backlog.tell_files([], cell(60))


def test_nothing_is_lost_between_threads() -> None:
    backlog = Backlog(study(searched(40, mses=())))
    sent: set[int] = set()
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set() or backlog.waiting:
            if (following := backlog.next_trial()) is not None:
                sent.add(following[1].proposal)
                backlog.sent_trial(following[1])

    thread = threading.Thread(target=send)
    thread.start()
    base = trial(PLACE, 0, 0.05)
    for proposal in range(2000):
        backlog.tell_trial(PLACE, replace(base, uid=f"{PLACE.name}#{proposal}", proposal=proposal))
    is_over.set()
    thread.join()
    assert sent == set(range(2000))
