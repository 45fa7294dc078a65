from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune import terminal
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, Goal, Interval, TunedEntry
from tests.builders import tuned_table
from tests.variants import DISTRUST

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
    assert line == f"S = 20: the tuned code is not surely better than {CODE_NAMES[name]}."


@pytest.mark.parametrize("name", ["replication", "uncoded", "bacc", "nercc_ag"])
def test_a_baseline_that_is_better_is_offered(name: str) -> None:
    entry = replace(_better(), fewest=13, mse_minus={**_better().mse_minus, name: _LOSS})
    (line,) = terminal.warnings_of(_with(entry))
    offer = f'deploy it there with `load_table(…).baseline("{name}")`'
    assert line == f"S = 13–20: {CODE_NAMES[name]} is better than the tuned code; {offer}."
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
    others = (replace(zero, design=replace(zero.design, nodes="uniform")), replace(zero, distrust=DISTRUST))
    assert [len(terminal.warnings_of(_with(other))) for other in others] == [1, 1]


def test_a_floor_that_no_candidate_keeps_is_told() -> None:
    table = replace(_with(replace(_better(), is_feasible=False)), goal=Goal(min_rel_acc=0.95, min_agreement=0.9))
    (line,) = terminal.warnings_of(table)
    assert line == "S = 20: no candidate keeps RelAcc ≥ 0.95 and agreement ≥ 0.9; the nearest to it was chosen."


def test_implausible_outputs_come_first() -> None:
    table = _with(_better())
    warned = replace(table, workload=replace(table.workload, warning="the plain outputs are implausible."))
    assert terminal.warnings_of(warned) == ["warning: the plain outputs are implausible."]
