from __future__ import annotations

from nercc_tune import terminal
from nercc_tune.export.comparison import COMPARED_SHARES, Comparison, Setting
from tests.builders import heldout
from tests.comparing import setting_of, small_comparison, study, worth
from tests.terminal.shown import shown


def _rows(setting: Setting) -> list[list[str]]:
    text = shown(terminal.table_of_setting(setting), width=240)
    return [[cell.strip() for cell in row.split("│")[1:-1]] for row in text.splitlines() if row.startswith("│")]


def test_every_code_is_a_row_with_its_standing_at_each_share() -> None:
    marks = {"best": " *", "tie": " ≈", "behind": "", None: ""}
    for setting in small_comparison().settings:
        rows = _rows(setting)
        assert [row[0] for row in rows] == [code.name for code in setting.codes]
        for row, code in zip(rows, setting.codes, strict=True):
            for cell, late in zip(row[5:], COMPARED_SHARES, strict=True):
                overall = code.overall(late)
                assert overall is not None
                assert cell == overall.text + marks[setting.standing(code, late)]


def test_the_best_is_marked_and_what_ties_with_it() -> None:
    codes = {"tuned": worth(0.9), "bacc": worth(0.91), "replication": worth(None, carriers=(0, 0, 2))}
    first, second, third = _rows(setting_of(codes))
    assert first[3:6] == ["0.980 [0.979, 0.981]", "0.900 [0.899, 0.901]", "0.976 [0.975, 0.977] ≈"]
    assert second[5:7] == ["0.976 [0.975, 0.977] ≈", "0.973 [0.972, 0.974] *"]
    assert third[4:] == ["–", "≥ 0.978 *", "≥ 0.970 ≈", "≥ 0.873 ≈"]


def test_a_title_names_the_setting_and_the_columns_the_shares() -> None:
    text = shown(terminal.table_of_setting(setting_of({"tuned": worth(0.9)})))
    assert text.startswith("K = 2, N = 3, S = 1")
    for late in ("5 %", "10 %", "33 %"):
        assert f"A_o, f = {late}" in text


def test_what_was_not_measured_is_a_dash() -> None:
    (row,) = _rows(setting_of({"tuned": heldout(0.1)}))
    assert row[3:] == ["–"] * 5


def test_names_are_no_markup() -> None:
    tables = [study(name, {"tuned": worth(0.9)}) for name in ("[red]a", "b")]
    (setting,) = Comparison.of(tables).settings
    assert [row[0] for row in _rows(setting)] == ["tuned NeRCC ([red]a)", "tuned NeRCC (b)"]
