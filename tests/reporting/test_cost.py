from __future__ import annotations

from dataclasses import replace

from nercc_tune.records import StudyHistory, TrialRecord
from nercc_tune.reporting.cost import cost_section, model_evaluations
from nercc_tune.reporting.passes import PassCount
from nercc_tune.selection import search_forwards
from nercc_tune.spec import StudySpec
from tests.builders import pruned, study_history


def _section(history: StudyHistory) -> str:
    return "\n".join(cost_section(history))


def _trials(history: StudyHistory) -> list[TrialRecord]:
    return [trial for cell in history.cells for trial in cell.trials]


def _with_pruned() -> StudyHistory:
    """Return a study whose second proposal was pruned in all cells but the first, after 2 and 3 of 6 blocks."""
    history = study_history(stragglers=(20, 40, 80), is_judged=False)
    first, *others = history.cells
    first = replace(first, trials=(first.trials[0], *first.trials[2:]))
    changed = [
        replace(cell, trials=(cell.trials[0], pruned(cell.trials[1], blocks=blocks), *cell.trials[2:]))
        for blocks, cell in zip((2, 3), others, strict=True)
    ]
    return replace(history, cells=(first, *changed))


def test_a_finished_search_tells_passes_evaluations_times_and_device() -> None:
    shown = _section(study_history())
    assert "- trials: 11 forward passes for 44 trials (33 saved by reuse)" in shown
    assert "- forward passes of the search: 13 over 20 groups of K = 50 queries on N = 200 workers" in shown
    assert "- model evaluations of the search: 49,000, each of one query" in shown
    assert "last one's end: 10 s, pauses between launches included" in shown
    assert "- device: cpu, precision fp32" in shown
    assert "- seconds of the stages in the process that launched it last: search 12.5; 12.5 in all" in shown


def test_evaluations_are_those_of_the_workers_and_of_the_plain_queries() -> None:
    assert model_evaluations(study_history()) == 20 * (12 * 200 + 50)


def test_pruned_trials_count_by_their_share() -> None:
    history = _with_pruned()
    spec = StudySpec.model_validate(history.spec, strict=False)
    count = PassCount.of(_trials(history), spec)
    assert (count.made, count.trials) == (10.5, 32)
    assert count.saved == 30 + 6 / 20 + 0.5 - 10.5
    assert "10.5 forward passes for 32 trials (20.3 saved by reuse)" in _section(history)


def test_passes_are_those_that_the_table_records() -> None:
    for history in (study_history(), _with_pruned()):
        spec = StudySpec.model_validate(history.spec, strict=False)
        assert PassCount.of(_trials(history), spec).made + 2 == search_forwards(history)


def test_an_unfinished_study_says_what_is_not_known_yet() -> None:
    history = replace(study_history(is_judged=False), provenance=None)
    shown = _section(history)
    assert "- device and seconds of the stages: not recorded before the study is judged" in shown
    assert "11 forward passes for 44 trials" in shown
    empty = replace(history, cells=tuple(replace(cell, trials=()) for cell in history.cells))
    assert "0 forward passes for 0 trials (0 saved by reuse)" in _section(empty)
    assert "last one's end" not in _section(empty)


def test_stages_without_times_are_left_out() -> None:
    history = study_history()
    assert history.provenance is not None
    shown = _section(replace(history, provenance=replace(history.provenance, times={})))
    assert "seconds of the stages" not in shown
    assert "device: cpu" in shown
