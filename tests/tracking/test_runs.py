from __future__ import annotations

from nercc_tune.tracking.runs import FoundRun, SortedRuns, sort_runs

RECORDS = {("a#0", 100), ("a#1", 110)}


def cell(run_id: str, *, status: str = "RUNNING", started_ms: int = 90) -> FoundRun:
    return FoundRun(run_id=run_id, uid="a", is_trial=False, started_ms=started_ms, status=status, parent=None)


def trial(
    run_id: str, uid: str = "a#0", started_ms: int = 100, *, status: str = "FINISHED", parent: str = "cell"
) -> FoundRun:
    return FoundRun(run_id=run_id, uid=uid, is_trial=True, started_ms=started_ms, status=status, parent=parent)


def ids(found: SortedRuns) -> tuple[set[str], set[str], set[str], set[str]]:
    """Return the runs that are kept, the doubles, the others, and those of an earlier storage."""
    return (
        {run.run_id for run in (*found.cells.values(), *found.trials.values())},
        {run.run_id for run in found.doubles},
        {run.run_id for run in found.others},
        set(found.foreign),
    )


def test_each_once() -> None:
    found = [cell("cell"), trial("0"), trial("1", "a#1", 110)]
    assert ids(sort_runs(found, RECORDS)) == ({"cell", "0", "1"}, set(), set(), set())


def test_of_two_runs_of_a_trial_the_complete_one_is_kept() -> None:
    found = [cell("cell"), trial("0", status="RUNNING"), trial("1"), trial("2", status="KILLED")]
    assert ids(sort_runs(found, RECORDS)) == ({"cell", "1"}, {"0", "2"}, set(), set())


def test_two_workers_keep_the_same_run_whatever_order_they_see() -> None:
    found = [cell("cell"), trial("1"), trial("0"), cell("late")]
    for order in (found, found[::-1]):
        assert ids(sort_runs(order, RECORDS)) == ({"cell", "0"}, {"1", "late"}, set(), set())


def test_of_two_runs_of_a_cell_the_one_with_trials_is_kept() -> None:
    found = [cell("early", started_ms=80), cell("cell"), trial("0")]
    assert ids(sort_runs(found, RECORDS)) == ({"cell", "0"}, {"early"}, set(), set())


def test_what_another_worker_is_at_is_left_alone() -> None:
    other = trial("2", "a#2", 120, status="RUNNING", parent="other")
    found = [cell("cell"), cell("other"), trial("0"), trial("1", "a#1", 110), other, trial("3", "a#2", 120)]
    kept, doubles, others, foreign = ids(sort_runs(found, RECORDS))
    assert (kept, doubles, others, foreign) == ({"cell", "0", "1"}, set(), {"other", "2", "3"}, set())


def test_an_earlier_storage_had_other_starts() -> None:
    """Its trials began before, or under the same uid; its cell is not this study's."""
    found = [cell("old"), trial("before", "a#7", 50, parent="old"), cell("cell"), trial("0")]
    assert ids(sort_runs(found, RECORDS)) == ({"cell", "0"}, set(), {"old", "before"}, {"old", "before"})
    found = [cell("old"), trial("again", "a#0", 105, parent="old")]
    assert ids(sort_runs(found, RECORDS)) == (set(), set(), {"old", "again"}, {"old", "again"})
    assert ids(sort_runs(found, set())) == (set(), set(), {"old", "again"}, {"old", "again"})
