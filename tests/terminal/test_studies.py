from __future__ import annotations

import json
from dataclasses import replace

from nercc_tune import terminal
from nercc_tune.records import Goal, StudyHistory
from nercc_tune.terminal.figures import show_smoothing
from tests.builders import pruned, study_history
from tests.terminal.shown import shown
from tests.variants import in_ranges, pareto_study, with_wrong_answers


def _open(history: StudyHistory) -> StudyHistory:
    cells = tuple(replace(cell, entry=None) for cell in history.cells)
    return replace(history, cells=cells, policy=None, provenance=None)


def _rows(history: StudyHistory) -> list[str]:
    text = shown(terminal.table_of_studies({history.name: history}))
    return [" ".join(row.replace("│", " ").split()) for row in text.splitlines() if row.startswith("│")]


def test_studies_are_shown_with_their_state() -> None:
    history = study_history()
    text = shown(terminal.table_of_studies({"a": history, "b": _open(history)}))
    assert text.count("not finished") == len(history.cells)


def test_a_judged_cell_shows_its_tuned_pair_and_any_other_its_best_trial() -> None:
    history = study_history(stragglers=(20,))
    (cell,) = history.cells
    entry, best = cell.entry, cell.best
    assert entry is not None
    assert best is not None
    assert best.score is not None
    entry = replace(entry, lambda_enc=5e-5)
    (judged,) = _rows(replace(history, cells=(replace(cell, entry=entry),)))
    pair = f"tuned 5.00e-05 {show_smoothing(entry.lambda_dec)} mse {entry.heldout.mse.mean:.4g} held out"
    assert judged.endswith(f"11 finished: {pair}")
    (searched,) = _rows(_open(history))
    pair = f"{show_smoothing(best.lambda_enc)} {show_smoothing(best.lambda_dec)} mse {best.score.mse:.4g} tuning"
    assert searched.endswith(f"11 not finished: best so far {pair}")
    (empty,) = _rows(replace(_open(history), cells=(replace(_open(history).cells[0], trials=()),)))
    assert empty.endswith("0 not finished – – –")


def test_studies_show_ranges_and_the_goals_best() -> None:
    history = in_ranges(study_history(stragglers=(20, 40), goal=Goal(metric="rel_acc")))
    first, _ = _rows(_open(history))
    assert " 0–20 11 not finished: best so far " in first
    assert first.endswith("rel_acc 0.98 tuning")
    unlabelled = study_history(stragglers=(20,), goal=Goal(metric="rel_acc"), has_labels=False)
    assert _rows(unlabelled)[0].endswith("rel_acc – held out")
    assert " prob_mse " in _rows(pareto_study())[0]


def test_what_a_study_file_names_is_no_markup() -> None:
    history = study_history(stragglers=(20,))
    place = replace(history.cells[0].cell, model="[red]x[/red]")
    assert "[red]x[/red] on mnist" in _rows(replace(history, cells=(replace(history.cells[0], cell=place),)))[0]


def test_a_finished_study_as_json_holds_all_that_a_script_needs() -> None:
    history = study_history(stragglers=(20, 40))
    (found,) = json.loads(json.dumps(terminal.describe_studies({"a": history}), allow_nan=False))
    assert {name: found[name] for name in ("study", "state", "queries", "workers", "trials")} == {
        "study": "a",
        "state": "finished",
        "queries": 50,
        "workers": 200,
        "trials": 22,
    }
    assert set(found) == {
        *("study", "digest", "state", "model", "data", "fingerprint", "queries", "workers", "goal"),
        *("trials", "cells", "policy", "provenance"),
    }
    assert found["goal"] == {"metric": "mse", "min_rel_acc": None, "min_agreement": None}
    cell, entry = found["cells"][0], history.cells[0].entry
    assert entry is not None
    assert (cell["stragglers"], cell["fewest"], cell["trials"], cell["failed"], cell["pruned"]) == (20, 20, 11, 1, 0)
    assert cell["tuned"]["lambda_dec"] == entry.lambda_dec
    assert cell["tuned"]["heldout"]["mse"]["high"] == entry.heldout.mse.high
    assert cell["tuned"]["gains"]["bacc"]["mean"] == entry.gains["bacc"].mean
    assert cell["tuned"]["baselines"]["uncoded"]["mse"]["low"] == entry.baselines["uncoded"].mse.low
    assert cell["best"]["proposal"] == 3
    assert found["policy"]["entries"][1]["stragglers"] == 40
    assert found["provenance"]["device"] == "cpu"


def test_an_unfinished_study_as_json_has_nulls_where_nothing_is() -> None:
    history = _open(study_history(stragglers=(20,)))
    trials = history.cells[0].trials
    history = replace(history, cells=(replace(history.cells[0], trials=(pruned(trials[0]), trials[-1])),))
    (found,) = terminal.describe_studies({"a": history})
    assert found["state"] == "unfinished"
    assert found["policy"] is found["provenance"] is None
    (cell,) = found["cells"]
    assert (cell["state"], cell["best"], cell["tuned"]) == ("unfinished", None, None)
    assert (cell["trials"], cell["failed"], cell["pruned"]) == (2, 1, 1)


def test_trials_after_the_judgement_are_told() -> None:
    history = study_history(stragglers=(20, 40))
    first = history.cells[0]
    again = replace(first, trials=(*first.trials, replace(first.trials[0], proposal=11, number=11)))
    (found,) = terminal.describe_studies({"a": replace(history, cells=(again, history.cells[1]))})
    assert found["state"] == "resumed"
    assert [cell["state"] for cell in found["cells"]] == ["resumed", "finished"]


def test_json_says_how_a_code_distrusts_and_what_came_of_wrong_answers() -> None:
    history = with_wrong_answers(study_history(stragglers=(20,)))
    ((cell,),) = [study["cells"] for study in terminal.describe_studies({"a": history})]
    assert cell["tuned"]["distrust"] == {"kind": "residuals", "level": 4.2, "scale": 1.3, "most": 8}
    assert cell["best"]["distrust"] == cell["tuned"]["distrust"]
    assert cell["tuned"]["wrong_answers"]["detections"][0]["kind"] == "sign-flip"
    json.dumps(cell, allow_nan=False)
    ((plain,),) = [study["cells"] for study in terminal.describe_studies({"a": study_history(stragglers=(20,))})]
    assert not {"distrust", "wrong_answers"} & set(plain["tuned"])
