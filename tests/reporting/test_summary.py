from __future__ import annotations

import tomllib
from dataclasses import replace

from nercc_tune.export.formats import export_table
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Goal
from nercc_tune.reporting.summary import summarise
from tests.builders import SPEC, pruned, study_history, tuned_table
from tests.variants import in_ranges, pareto_study, random_table, with_waiting


def _toml(report: str) -> dict[str, object]:
    return tomllib.loads(report.split("```toml\n")[1].split("```", maxsplit=1)[0])


def test_a_report_holds_the_table() -> None:
    report = summarise(study_history(), tuned_table())
    body = export_table(tuned_table(), format="markdown").decode().split("\n", 1)[1].strip()
    assert body in report


def test_a_report_tells_the_protocol() -> None:
    report = summarise(study_history(), tuned_table())
    assert "search: profile with the sampler tpe, seed 3; 11 proposals, 44 trials of which 4 failed" in report
    assert "tuning draws: 20 groups of queries, 10 masks" in report
    assert "held-out draws: 30 other groups, 15 fresh masks" in report
    assert "2000 bootstrap resamples" in report
    assert "seed of groups and masks: 5" in report


def test_pruned_trials_are_told_from_failed_ones() -> None:
    history = study_history(stragglers=(20, 40))
    first = history.cells[0]
    first = replace(first, trials=(*first.trials[:-2], pruned(first.trials[-2]), first.trials[-1]))
    report = summarise(replace(history, cells=(first, history.cells[1])), None)
    assert "11 proposals, 22 trials of which 2 failed and 1 were pruned" in report


def test_a_report_tells_goal_and_straggler_model() -> None:
    goal = Goal(metric="prob_mse", min_rel_acc=0.9)
    history = in_ranges(study_history(goal=goal, search={"objective": "prob_mse", "min_rel_acc": 0.9}))
    report = summarise(history, TunedTable.from_history(history))
    assert "- goal: the least MSE in probabilities, with RelAcc ≥ 0.9 on the tuning and the validation draws" in report
    assert "- stragglers: each worker with probability 0.3, whatever the others do" in report
    assert "S = 0–20, 21–40, 41–80, 81–120 stragglers; finished" in report


def test_a_report_says_what_to_deploy_and_shows_the_candidates() -> None:
    report = summarise(study_history(), tuned_table())
    headings = [line for line in report.splitlines() if line.startswith("## ")]
    assert headings[1:4] == ["## Which code to deploy", "## Candidates", "## Figures"]
    assert headings[0] == "## Results: lenet5-mnist"
    unfinished = summarise(study_history(is_judged=False), None)
    assert "## Candidates" not in unfinished
    assert "## Which code to deploy" not in unfinished


def test_figures_that_only_some_studies_have_get_captions() -> None:
    history = pareto_study()
    report = summarise(history, with_waiting(TunedTable.from_history(history)))
    for name, caption in (("waiting", "Held-out MSE and RelAcc against the mean time"), ("front", "RelAcc and MSE of")):
        assert f"({name}.png)\n\n*{caption}" in report
    assert "waiting.png" not in summarise(in_ranges(study_history()), random_table())


def test_a_report_tells_workload_and_versions() -> None:
    report = summarise(study_history(), tuned_table())
    for told in (
        "weights trained, seed 0",
        "1 × 32 × 32",
        "uncoded accuracy 0.9890",
        "f1f1f1",
        "torch 2.9.0",
        "abc1234",
    ):
        assert told in report


def test_a_report_holds_the_study_file_and_the_command() -> None:
    report = summarise(study_history(), tuned_table())
    assert "nercc-tune launch lenet5-mnist.toml" in report
    assert _toml(report) == SPEC


def test_the_study_file_leaves_out_what_is_unset_and_where_things_lie() -> None:
    search = {"lambda_enc": {"low": 1e-14, "high": 1.0}}
    workload = {"model": 'a "quoted" λ', "data": "mnist"}
    spec = {
        "name": "x",
        "workload": {**workload, "checkpoint": None},
        "code": SPEC["code"],
        "search": search,
        "storage": {"url": "postgresql://me:secret@host/db"},
    }
    report = summarise(replace(study_history(), spec=spec), tuned_table())
    assert _toml(report) == {"name": "x", "workload": workload, "code": SPEC["code"], "search": search}
    assert "secret" not in report


def test_settings_that_are_not_recorded_are_said_to_be_so() -> None:
    spec = {name: SPEC[name] for name in ("name", "workload", "code")}
    report = summarise(replace(study_history(), spec=spec, provenance=None), tuned_table())
    assert "seed of groups and masks: not recorded" in report
    assert "Not recorded yet." in report


def test_figures_are_linked_with_captions() -> None:
    report = summarise(study_history(), tuned_table(), figures=["figures/landscape.svg"])
    assert "(figures/landscape.svg)\n\n*MSE on the tuning draws over both parameters" in report
    assert "stragglers.png" not in report


def test_figures_are_those_that_are_written_by_default() -> None:
    report = summarise(study_history(), tuned_table())
    assert all(f"({name}.png)" in report for name in ("stragglers", "smoothing", "landscape", "history"))


def test_an_unfinished_study_lists_its_best_trials() -> None:
    history = study_history(is_judged=False, stragglers=(20, 40))
    history = replace(history, cells=(history.cells[0], replace(history.cells[1], trials=())))
    report = summarise(history, None)
    assert "not finished" in report
    assert "| 20 | 11 | 1 | 1.1e-07 | 3.16e-08 | 0.00447 |" in report
    assert "| 40 | 0 | 0 | – | – | – |" in report
    assert "stragglers.png" not in report


def test_an_unfinished_study_names_the_command_that_goes_on() -> None:
    report = summarise(study_history(is_judged=False), None)
    assert (
        "no pair has been judged on held-out draws for all S; `nercc-tune launch lenet5-mnist.toml` goes on" in report
    )


def test_seeds_and_command_stand_at_the_top_and_in_parts_of_their_own() -> None:
    report = summarise(study_history(), tuned_table())
    top = report.partition("## Results")[0]
    assert "Reproduced by `nercc-tune launch lenet5-mnist.toml` with the study file [below](#reproduce)" in top
    assert "seeds 3 for the search, 5 for groups and masks, 0 for weights that are trained or drawn." in top
    assert "## Seeds\n\n- the search: 3\n- groups and masks: 5\n" in report
    assert "```sh\nnercc-tune launch lenet5-mnist.toml\n```" in report


def test_the_command_allows_code_where_the_study_needs_it() -> None:
    spec = {**SPEC, "workload": {**SPEC["workload"], "model": "mine.models:build"}}
    report = summarise(replace(study_history(), spec=spec), tuned_table())
    assert "nercc-tune launch lenet5-mnist.toml --allow-code\n" in report


def test_what_a_study_file_names_stays_text() -> None:
    history = study_history()
    workload = replace(history.workload, model="![x](https://host/x.png)", weights_source="<b>`*_")
    report = summarise(replace(history, workload=workload), tuned_table())
    assert "\\!\\[x\\](https://host/x.png) on mnist" in report
    assert "weights \\<b\\>\\`\\*\\_" in report


def test_implausible_outputs_are_told_once_at_the_top() -> None:
    history = study_history()
    workload = replace(history.workload, warning="the plain outputs are implausible.", output_kind="probabilities")
    report = summarise(replace(history, workload=workload), tuned_table())
    assert report.count("**Warning**: the plain outputs are implausible.") == 1
    assert report.index("**Warning**") < report.index("## ")
    assert "- outputs: 10 probabilities, uncoded accuracy 0.9890" in report
    assert "**Warning**" not in summarise(history, tuned_table())
