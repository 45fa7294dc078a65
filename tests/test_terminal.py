from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nercc_tune import terminal
from nercc_tune.export.advice import NAMES, advise
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Goal, Interval, TunedEntry
from tests.builders import study_history, tuned_table
from tests.fakes import finished_result, timeless
from tests.variants import in_ranges, random_table


def _shown(content: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


_GAIN = Interval(mean=-9.0, low=-10.0, high=-8.0)
_LOSS = Interval(mean=9.0, low=8.0, high=10.0)
_UNSURE = Interval(mean=-1.0, low=-3.0, high=1.0)


def _with(entry: TunedEntry) -> TunedTable:
    return replace(tuned_table(), entries=(entry,))


def _better() -> TunedEntry:
    """Return an entry that is surely better than all its baselines."""
    entry = tuned_table().entries[0]
    return replace(
        entry,
        lambda_enc=1e-7,
        mse_minus=dict.fromkeys(entry.mse_minus, _GAIN),
        prob_mse_minus=dict.fromkeys(entry.prob_mse_minus, _GAIN),
    )


def test_the_table_has_a_line_for_each_count() -> None:
    table = tuned_table()
    shown = _shown(terminal.table_of_results(table))
    for entry in table.entries:
        assert terminal.show_smoothing(entry.lambda_dec) in shown
        assert f"{entry.heldout.mse.mean:.3g}" in shown


def test_zero_is_shown_as_zero() -> None:
    assert terminal.show_smoothing(0.0) == "0"
    assert terminal.show_smoothing(1.234e-9) == "1.23e-09"


def test_the_table_names_designs_waiting_times_and_ranges_where_there_are_any() -> None:
    shown = _shown(terminal.table_of_results(random_table()))
    for text in ("wait", "code", "21–40", "1.51", "uniform,", "interleaved,"):
        assert text in shown
    plain = _shown(terminal.table_of_results(tuned_table()))
    assert "wait" not in plain
    assert " code " not in plain


def test_a_gain_is_shown_as_a_change() -> None:
    entry = replace(_better(), gains={"bacc": Interval(mean=0.25, low=-0.05, high=0.3)})
    shown = _shown(terminal.table_of_results(_with(entry)))
    assert "-25.0% [-30.0%, +5.0%]" in shown
    assert shown.count("–") == 1


def test_the_table_shows_the_error_of_the_goal() -> None:
    table = replace(tuned_table(), goal=Goal(metric="rel_acc"))
    shown = _shown(terminal.table_of_results(table))
    assert "MSE (probabilities)" in shown
    assert f"{table.entries[0].heldout.prob_mse.mean:.3g} [" in shown


def test_no_warning_where_the_code_is_surely_better() -> None:
    assert terminal.warnings_of(_with(_better())) == []


@pytest.mark.parametrize("name", ["replication", "uncoded", "bacc", "nercc_ag"])
def test_a_warning_where_a_difference_may_be_none(name: str) -> None:
    entry = _better()
    unsure = replace(
        entry,
        mse_minus={**entry.mse_minus, name: _UNSURE},
        prob_mse_minus={**entry.prob_mse_minus, name: _UNSURE},
    )
    (line,) = terminal.warnings_of(_with(unsure))
    assert line == f"S = 20: the tuned code is not surely better than {NAMES[name]}."


@pytest.mark.parametrize("name", ["replication", "uncoded", "bacc", "nercc_ag"])
def test_a_baseline_that_is_better_is_offered(name: str) -> None:
    entry = replace(_better(), fewest=13, mse_minus={**_better().mse_minus, name: _LOSS})
    (line,) = terminal.warnings_of(_with(entry))
    offer = f'deploy it there with `load_table(…).baseline("{name}")`'
    assert line == f"S = 13–20: {NAMES[name]} is better than the tuned code; {offer}."
    assert terminal.warnings_of(replace(_with(entry), goal=Goal(metric="prob_mse"))) == []


def test_a_baseline_in_another_decode_space_is_compared_in_probabilities() -> None:
    entry = replace(_better(), mse_minus={}, prob_mse_minus={**_better().prob_mse_minus, "bacc": _LOSS})
    (line,) = terminal.warnings_of(_with(entry))
    assert line.startswith("S = 20: BACC is better than the tuned code")


def test_bacc_in_the_tuned_design_is_no_baseline_of_the_table() -> None:
    minus = {**_better().mse_minus, "bacc_same_design": _LOSS}
    (line,) = terminal.warnings_of(_with(replace(_better(), mse_minus=minus)))
    assert line == "S = 20: BACC in the same design is better than the tuned code."


def test_no_coding_is_not_offered_where_replication_is() -> None:
    minus = {**_better().mse_minus, "replication": _LOSS, "uncoded": _LOSS}
    (line,) = terminal.warnings_of(_with(replace(_better(), mse_minus=minus)))
    assert line.startswith("S = 20: replication is better")


def test_the_counts_of_a_warning_stand_in_one_line() -> None:
    entries = tuple(
        replace(_better(), stragglers=count, fewest=count, mse_minus={**_better().mse_minus, "bacc": _UNSURE})
        for count in (20, 40)
    )
    (line,) = terminal.warnings_of(replace(tuned_table(), entries=entries))
    assert line == "S = 20, 40: the tuned code is not surely better than BACC."


def test_zero_is_not_warned_of_being_itself() -> None:
    nothing = Interval(mean=0.0, low=0.0, high=0.0)
    zero = replace(_better(), lambda_enc=0.0, lambda_dec=0.0, mse_minus={**_better().mse_minus, "nercc_ag": nothing})
    assert terminal.warnings_of(_with(zero)) == []
    other = replace(zero, design=replace(zero.design, nodes="uniform"))
    assert len(terminal.warnings_of(_with(other))) == 1


def test_a_floor_that_no_candidate_keeps_is_told() -> None:
    table = replace(_with(replace(_better(), is_feasible=False)), goal=Goal(min_rel_acc=0.95, min_agreement=0.9))
    (line,) = terminal.warnings_of(table)
    assert line == "S = 20: no candidate keeps RelAcc ≥ 0.95 and agreement ≥ 0.9; the nearest to it was chosen."


def test_the_policy_and_the_best_single_pair_are_a_line_each() -> None:
    table = tuned_table()
    first, second = terminal.policy_lines(table).splitlines()
    assert first.startswith(
        "policy: chebyshev, probabilities, λ_enc 4.00e-07 for all, λ_dec by S (S=20: 1.00e-08, S=40"
    )
    assert first.count("S=") == len(table.policy.entries)
    assert second == (
        "expected over S: policy 0.0864 [0.0777, 0.0968], best single pair (6.00e-07, 2.00e-08) "
        "0.108 [0.0972, 0.121], difference -0.0216 [-0.0259, -0.0164]"
    )


def test_the_policy_names_ranges_and_its_design() -> None:
    first, _ = terminal.policy_lines(random_table()).splitlines()
    assert first.startswith("policy: chord-length, nearest-neighbour, logits-softmax, λ_enc")
    assert "S=81–120: 3.16e-06" in first


def test_the_advice_is_a_table_with_a_doubt_where_there_is_one() -> None:
    sure, unsure = advise(random_table())[2:]
    shown = _shown(terminal.table_of_advice([sure, replace(unsure, is_certain=False)]))
    rows = {row.split("│")[1].strip(): row for row in shown.splitlines() if row.startswith("│")}
    assert set(rows) == {"41–80", "81–120"}
    assert rows["41–80"].split("│")[-2].strip() == sure.best
    assert rows["81–120"].split("│")[-2].strip() == f"{unsure.best}, probably"
    assert f"{sure.heldout['bacc'].prob_mse.mean:.3g} [" in rows["41–80"]


def test_studies_are_shown_with_their_state() -> None:
    history = study_history()
    open_cells = tuple(replace(cell, entry=None) for cell in history.cells)
    shown = _shown(terminal.table_of_studies({"a": history, "b": replace(history, cells=open_cells)}))
    assert shown.count("not finished") == len(history.cells)


def test_studies_show_ranges_and_the_goals_best() -> None:
    history = in_ranges(study_history(stragglers=(20, 40), goal=Goal(metric="rel_acc")))
    shown = _shown(terminal.table_of_studies({"a": history}))
    assert "│ 0–20 │" in shown.replace("  ", " ")
    assert "0.98 │" in shown


def test_times_add_up_to_the_wall_time() -> None:
    shown = _shown(terminal.table_of_times({"forward": 3.0, "decode": 0.5}, 4.0))
    assert "forward │    3.00 │  75.0%" in shown
    assert "other   │    0.50 │  12.5%" in shown


def test_what_to_type_next_names_the_home() -> None:
    result = finished_result()
    named = terminal.closing_lines(result, home=Path("elsewhere"), wall=1.0)
    assert "nercc-tune export tiny --home elsewhere -o table.json" in named
    assert "forward passes: tuning 9, validation 6, held-out 4; 1 s" in named
    assert "--home" not in terminal.closing_lines(result, home=Path("nercc-home"), wall=1.0)


def test_progress_outside_a_terminal_is_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=200)
    trials = finished_result().history.cells[0].trials
    failed = replace(timeless(trials)[1], score=None, reason="not finite")
    with terminal.LaunchProgress(console, Goal()) as progress:
        progress.events.stage("searching")
        progress.events.trial(trials[0])
        progress.events.trial(failed)
        for done in range(1, 13):
            progress.events.proposal(done, 12)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "searching"
    assert lines[1] == f"trial {failed.uid} failed: not finite"
    assert [line.partition(" ")[0] for line in lines[2:]] == ["10/12", "12/12"]
