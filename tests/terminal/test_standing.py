from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from nercc_tune.spec import StudySpec, build_study
from nercc_tune.terminal.standing import Standing
from tests.builders import SPEC, cell, pruned, searched, study_history, trial
from tests.variants import in_ranges


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def spec_with(**search: object) -> StudySpec:
    return build_study({**SPEC, "search": {**SPEC["search"], **search}})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standing(clock: Clock) -> Standing:
    return Standing(spec_with(), clock)


def test_nothing_is_known_at_first(standing: Standing) -> None:
    assert (standing.best, standing.passes, standing.seconds_left, standing.budget) == ([], "", None, None)


def test_the_time_left_is_told_by_the_pace_since_the_first_word(standing: Standing, clock: Clock) -> None:
    standing.count(1, 11)
    assert standing.seconds_left is None
    clock.now += 6
    standing.count(3, 11)
    assert standing.seconds_left == pytest.approx(8 * 3)
    clock.now += 2
    assert standing.seconds_left == pytest.approx(8 * 3 - 2)
    clock.now += 100
    assert standing.seconds_left == pytest.approx(7 * 3), "one that takes long says nothing of the others"


def test_what_an_earlier_launch_did_took_no_time_of_this_one(standing: Standing, clock: Clock) -> None:
    standing.count(900, 1000)
    standing.enter("searching")
    clock.now += 500
    standing.count(901, 1000)
    assert standing.seconds_left is None
    clock.now += 2
    standing.count(902, 1000)
    assert standing.seconds_left == pytest.approx(98 * 2)


def test_a_new_stage_forgets_the_pace(standing: Standing, clock: Clock) -> None:
    standing.count(1, 11)
    clock.now += 1
    standing.count(2, 11)
    assert standing.seconds_left is not None
    standing.enter("judging")
    assert standing.stage == "judging"
    assert standing.seconds_left is None


def test_the_best_of_each_cell_is_that_of_the_goal_and_of_equals_the_first() -> None:
    standing = Standing(spec_with(objective="rel_acc"), Clock())
    trials = [trial(cell(40), proposal, 0.1) for proposal in range(3)]
    scores = [
        replace(record.score, rel_acc=value)
        for record, value in zip(trials, (0.9, 0.95, 0.95), strict=True)
        if record.score
    ]
    standing.add(*(replace(record, score=score) for record, score in zip(trials, scores, strict=True)))
    standing.add(trial(cell(20), 0, 0.2), trial(cell(20), 1, None))
    assert [(title, record.proposal) for title, record in standing.best] == [("20", 0), ("40", 1)]
    assert standing.value(standing.best[1][1]) == 0.95


def test_passes_are_shared_by_cells_and_pruned_ones_count_by_their_share(standing: Standing) -> None:
    standing.add(trial(cell(20), 0, 0.1))
    assert standing.passes == "1 forward pass for 1 trials (0 saved by reuse)"
    standing.add(trial(cell(40), 0, 0.1), trial(cell(20), 1, 0.1), trial(cell(40), 1, None))
    assert standing.passes == "2 forward passes for 4 trials (2 saved by reuse)"
    standing.add(pruned(trial(cell(20), 2, 0.1), blocks=3), pruned(trial(cell(40), 2, 0.1), blocks=3))
    assert standing.passes == "2.5 forward passes for 6 trials (2.5 saved by reuse)"


def test_what_earlier_launches_found_is_counted_and_names_the_ranges(standing: Standing) -> None:
    history = in_ranges(study_history(stragglers=(20, 40), is_judged=False))
    standing.begin(history)
    assert [title for title, _ in standing.best] == ["0–20", "21–40"]
    assert standing.passes == "11 forward passes for 22 trials (11 saved by reuse)"
    best = searched(40).best
    assert best is not None
    assert standing.best[1][1] == history.cells[1].best
