from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune import terminal
from nercc_tune.export.table import TunedTable
from tests.builders import study_history, tuned_table
from tests.terminal.shown import shown
from tests.variants import FOUND, with_wrong_answers


@pytest.fixture(scope="module")
def table() -> TunedTable:
    return TunedTable.from_history(with_wrong_answers(study_history(stragglers=(20, 80))))


def _rows(table: TunedTable, *, width: int = 200) -> list[list[str]]:
    text = shown(terminal.table_of_wrong_answers(table), width=width)
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line[0] == "│"]


def test_each_kind_has_a_row_at_each_count(table: TunedTable) -> None:
    rows = _rows(table)
    assert [row[1] for row in rows] == [*FOUND, *FOUND]
    assert [row[0] for row in rows] == ["20", "", "", "", "80", "", "", ""]
    assert rows[0][2:] == ["97.8", "0.03", "0.00239 [0.00216, 0.00268]", "1.04 [0.94, 1.16]"]


def test_rows_are_whole_in_a_narrow_terminal(table: TunedTable) -> None:
    assert len(_rows(table, width=100)) == 8
    assert "…" not in shown(terminal.table_of_wrong_answers(table), width=80)


def test_a_line_says_what_distrust_costs_without_wrong_answers(table: TunedTable) -> None:
    first, second = terminal.distrust_lines(table)
    assert first == (
        "S=20: where no answer is wrong, distrust costs +1.11% [+0.56%, +1.78%] of the MSE and accuses 0.12 %; "
        "at most 3 wrong answers were reckoned with"
    )
    assert second.startswith("S=80: ")


def test_what_is_not_defined_is_a_dash(table: TunedTable) -> None:
    first = table.entries[0]
    assert first.wrong_answers is not None
    kind = replace(first.wrong_answers.detections[0], wrong=0, found=0, ratio=None)
    odd = replace(first, wrong_answers=replace(first.wrong_answers, detections=(kind,), cost=None))
    (row,) = _rows(replace(table, entries=(odd,)))
    assert (row[2], row[-1]) == ("–", "–")
    assert "distrust costs – of the MSE" in terminal.distrust_lines(replace(table, entries=(odd,)))[0]


def test_a_study_without_wrong_answers_says_nothing() -> None:
    assert terminal.table_of_wrong_answers(tuned_table()) is None
    assert terminal.distrust_lines(tuned_table()) == []
