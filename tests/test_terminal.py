from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from nercc_tune import terminal
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Interval, TunedEntry
from tests.fakes import finished_result, timeless
from tests.reporting.builders import study_history, tuned_table


def _shown(content: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _with(entry: TunedEntry) -> TunedTable:
    table = tuned_table()
    return replace(table, entries=(entry,))


def _better() -> TunedEntry:
    """Return an entry that is surely better than all its baselines."""
    entry = tuned_table().entries[0]
    worse = replace(entry.heldout, mse=Interval(mean=9.0, low=8.0, high=10.0))
    gain = Interval(mean=-9.0, low=-10.0, high=-8.0)
    return replace(
        entry,
        lambda_enc=1e-7,
        baselines=dict.fromkeys(entry.baselines, worse),
        mse_minus=dict.fromkeys(entry.mse_minus, gain),
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


def test_no_warning_where_the_pair_is_surely_better() -> None:
    assert terminal.baseline_warnings(_with(_better())) == []


def test_a_warning_where_a_difference_may_be_none() -> None:
    entry = _better()
    unsure = {**entry.mse_minus, "bacc": Interval(mean=-1.0, low=-3.0, high=1.0)}
    (line,) = terminal.baseline_warnings(_with(replace(entry, mse_minus=unsure)))
    assert "the tuned pair is not surely better than bacc here" in line


def test_a_warning_where_a_baseline_is_better() -> None:
    entry = _better()
    perfect = replace(entry.heldout, mse=Interval(mean=0.0, low=0.0, high=0.0))
    (line,) = terminal.baseline_warnings(_with(replace(entry, baselines={**entry.baselines, "replication": perfect})))
    assert "replication has the lower MSE" in line


def test_zero_is_not_warned_of_being_itself() -> None:
    entry = _better()
    nothing = Interval(mean=0.0, low=0.0, high=0.0)
    zero = replace(entry, lambda_enc=0.0, lambda_dec=0.0, mse_minus={**entry.mse_minus, "nercc_ag": nothing})
    assert terminal.baseline_warnings(_with(zero)) == []


def test_the_policy_is_a_line() -> None:
    line = terminal.policy_line(tuned_table())
    assert line.startswith("policy: λ_enc")
    assert line.count("S=") == len(tuned_table().policy.entries)


def test_studies_are_shown_with_their_state() -> None:
    history = study_history()
    open_cells = tuple(replace(cell, entry=None) for cell in history.cells)
    shown = _shown(terminal.table_of_studies({"a": history, "b": replace(history, cells=open_cells)}))
    assert shown.count("not finished") == len(history.cells)


def test_times_add_up_to_the_wall_time() -> None:
    shown = _shown(terminal.table_of_times({"forward": 3.0, "decode": 0.5}, 4.0))
    assert "forward │    3.00 │  75.0%" in shown
    assert "other   │    0.50 │  12.5%" in shown


def test_what_to_type_next_names_the_home() -> None:
    result = finished_result()
    named = terminal.closing_lines(result, home=Path("elsewhere"), wall=1.0)
    assert "nercc-tune export tiny --home elsewhere -o table.json" in named
    assert "forward passes: tuning 9, held-out" in named
    assert "--home" not in terminal.closing_lines(result, home=Path("nercc-home"), wall=1.0)


def test_progress_outside_a_terminal_is_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=200)
    trials = finished_result().history.cells[0].trials
    failed = replace(timeless(trials)[1], score=None, reason="not finite")
    with terminal.LaunchProgress(console, (2, 4)) as progress:
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
