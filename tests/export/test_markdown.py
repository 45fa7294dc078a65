from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nercc_tune.export.blocks import write_error
from nercc_tune.export.formats import export_table
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Goal, Interval
from tests.builders import tuned_table
from tests.variants import random_table, table_with, with_designs, with_frozen, with_waiting


def _with_mse(mean: float, low: float, high: float) -> TunedTable:
    judged = replace(tuned_table().entries[0].heldout, mse=Interval(mean=mean, low=low, high=high))
    return table_with(heldout=judged)


def _markdown_row(table: TunedTable, stragglers: int | str, *, block: int = 0) -> list[str]:
    text = export_table(table, format="markdown").decode()
    row = re.findall(rf"^\| {stragglers} \|.*$", text, flags=re.MULTILINE)[block]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize(
    ("bounds", "written"),
    [
        ((0.0395, 0.038, 0.0411), "0.0395 [0.0380, 0.0411]"),
        ((3.951e-4, 3.802e-4, 4.109e-4), "3.95 [3.80, 4.11]e-04"),
        ((12.34, 11.0, 13.0), "12.3 [11.0, 13.0]"),
        ((12345.6, 11000.4, 13000.4), "12346 [11000, 13000]"),
        ((0.0, 0.0, 0.0), "0.00 [0.00, 0.00]"),
        ((0.0, 0.0, 0.25), "0.000 [0.000, 0.250]"),
    ],
)
def test_an_mse_is_written_with_three_digits(bounds: tuple[float, float, float], written: str) -> None:
    assert _markdown_row(_with_mse(*bounds), 20)[5] == written


def test_a_pair_is_written_with_three_digits_and_zero_as_zero() -> None:
    row = _markdown_row(table_with(lambda_enc=0.0, lambda_dec=3.1623e-7), 20)
    assert row[1:5] == ["0", "3.16e-07", "31.4", "58.2"]


def test_a_gain_is_the_share_of_the_baseline_that_is_saved() -> None:
    gains = {**tuned_table().entries[0].gains, "bacc": Interval(mean=0.25, low=-0.05, high=0.3)}
    assert _markdown_row(table_with(gains=gains), 20)[6] == "25.0 [-5.0, 30.0]"


def test_a_gain_that_is_undefined_is_left_out() -> None:
    gains = {name: gain for name, gain in tuned_table().entries[0].gains.items() if name != "bacc"}
    row = _markdown_row(table_with(gains=gains), 20)
    assert row[6] == "–"
    assert row[7] != "–"


def test_markdown_without_labels_leaves_rel_acc_out() -> None:
    assert _markdown_row(tuned_table(has_labels=False), 20)[8] == "–"


def test_markdown_has_baselines_and_policy() -> None:
    table = tuned_table()
    assert _markdown_row(table, 80, block=1)[1].startswith("0.103 [")
    assert _markdown_row(table, 80, block=2)[1:3] == ["4.00e-07", "3.16e-07"]
    assert f"`{table.digest}`" in export_table(table, format="markdown").decode()


def test_markdown_rows_are_as_long_as_their_heads() -> None:
    text = export_table(tuned_table(), format="markdown").decode()
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert [{line.count("|") for line in block.splitlines()} for block in blocks] == [{11}, {6}, {9}]


def test_markdown_escapes_names() -> None:
    table = replace(tuned_table(), study="a|b_c*")
    assert export_table(table, format="markdown").decode().startswith(r"## a\|b\_c\*")


def test_markdown_names_designs_waiting_times_and_ranges() -> None:
    table = random_table()
    head = _markdown_row(table, "S")
    assert head[5:8] == ["wait", "code", "MSE"]
    assert _markdown_row(table, "21–40")[5:7] == ["1.51", "uniform, nearest-neighbour, interleaved, probabilities"]
    assert _markdown_row(table, "81–120", block=2)[1] == "4.00e-07"


def test_markdown_names_the_unit_of_waiting_times() -> None:
    table = random_table()
    assert _markdown_row(replace(table, straggling={**table.straggling, "unit": "ms"}), "S")[5] == "wait, ms"
    assert _markdown_row(replace(table, straggling={"unit": "no unit"}), "S")[5] == "wait"


def test_markdown_leaves_out_what_the_study_has_not() -> None:
    head = _markdown_row(tuned_table(), "S")
    assert "wait" not in head
    assert "code" not in head


def test_an_entry_without_a_waiting_time_among_others_leaves_it_out() -> None:
    table = with_waiting(tuned_table())
    entries = (replace(table.entries[0], waiting=None), *table.entries[1:])
    assert _markdown_row(replace(table, entries=entries), 20)[5] == "–"


def test_markdown_has_the_frozen_pair() -> None:
    table = with_frozen(tuned_table())
    assert _markdown_row(table, "S", block=1)[-1] == "MSE of the frozen pair"
    assert _markdown_row(table, 20, block=1)[-1] == "0.00645 [0.00580, 0.00722]"


def test_markdown_ends_the_policy_with_what_is_expected_over_all_counts() -> None:
    table = tuned_table()
    assert _markdown_row(table, "all")[1:6] == ["4.00e-07", "–", "–", "–", "0.0864 [0.0777, 0.0968]"]
    assert _markdown_row(table, "all, single pair")[1:3] == ["6.00e-07", "2.00e-08"]
    text = export_table(table, format="markdown").decode()
    assert "the policy minus that of the best single pair: -0.0216 [-0.0259, -0.0164]." in text


def test_a_single_pair_with_a_design_of_its_own_names_it() -> None:
    table = with_designs(tuned_table())
    assert _markdown_row(table, "all")[5] != table.policy.design.label
    single = replace(table.policy.single, design=table.reference)
    table = replace(table, policy=replace(table.policy, single=single))
    assert _markdown_row(table, "all")[5] == table.policy.design.label
    assert _markdown_row(table, "all, single pair")[5] == "chebyshev, probabilities"


def test_policy_entries_may_come_in_any_order() -> None:
    table = random_table()
    shuffled = replace(table, policy=replace(table.policy, entries=table.policy.entries[::-1]))
    assert _markdown_row(shuffled, "0–20", block=2) == _markdown_row(table, "0–20", block=2)


@pytest.mark.parametrize("goal", [Goal(), Goal(metric="rel_acc")])
def test_the_error_is_that_of_the_goal(goal: Goal) -> None:
    table = replace(tuned_table(), goal=goal)
    named = {"mse": "MSE", "prob_mse": "MSE in probabilities"}[goal.error]
    assert _markdown_row(table, "S")[5] == named
    assert _markdown_row(table, 20)[5] == write_error(getattr(table.entries[0].heldout, goal.error))
