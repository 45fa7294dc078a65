from __future__ import annotations

import re
from dataclasses import replace

from nercc_tune.export.formats import export_table
from nercc_tune.records import Interval
from tests.builders import tuned_table
from tests.variants import random_table, table_with


def test_latex_writes_powers_of_ten() -> None:
    text = export_table(table_with(lambda_enc=0.0, lambda_dec=3.1623e-7), format="latex").decode()
    assert r"$20$ & $0$ & $3.16\times10^{-7}$ & " in text


def test_latex_writes_the_interval_as_a_subscript() -> None:
    small = Interval(mean=3.951e-4, low=3.802e-4, high=4.109e-4)
    judged = replace(tuned_table().entries[0].heldout, mse=small)
    text = export_table(table_with(heldout=judged), format="latex").decode()
    assert r"$3.95_{\,[3.80,\,4.11]}\times10^{-4}$" in text


def test_latex_is_balanced_and_ruled() -> None:
    text = export_table(tuned_table(), format="latex").decode()
    assert text.count("{") == text.count("}")
    assert text.count("$") % 2 == 0
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [3, 3, 3]
    for tabular in re.findall(r"\\begin\{tabular\}\{(r+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        columns, body = tabular
        assert {line.count("&") + 1 for line in body.splitlines() if "&" in line} == {len(columns)}


def test_latex_holds_nothing_but_ascii() -> None:
    assert export_table(tuned_table(has_labels=False), format="latex").isascii()


def test_latex_escapes_names_and_makes_a_safe_label() -> None:
    table = tuned_table()
    table = replace(table, study="50%_of{it}", workload=replace(table.workload, model=r"a_b&c\d"))
    text = export_table(table, format="latex").decode()
    assert r"\label{tab:50-of-it}" in text
    assert r"a\_b\&c\textbackslash{}d on mnist" in text


def test_latex_of_everything_is_balanced_with_as_many_cells_as_columns() -> None:
    text = export_table(random_table(), format="latex").decode()
    assert text.isascii()
    assert text.count("{") == text.count("}")
    assert text.count("$") % 2 == 0
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\S+)\}\n(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        count = len(columns.replace("p{2.4cm}", "l"))
        assert {line.count(" & ") + 1 for line in body.splitlines() if " & " in line} == {count}


def test_latex_writes_ranges_designs_and_names_as_text() -> None:
    text = export_table(random_table(), format="latex").decode()
    assert "\n21--40 & " in text
    assert r" & wait & code & " in text
    assert r"$1.51$ & \raggedright uniform, nearest-neighbour, interleaved, probabilities & " in text
    assert r"\begin{tabular}{rrrrrrp{2.4cm}rrrrr}" in text
    assert "\nall, single pair & " in text
    assert "MSE of the frozen pair" in text


def test_latex_tells_what_is_expected_over_all_counts() -> None:
    text = export_table(tuned_table(), format="latex").decode()
    assert r"best single pair: $-0.0216_{\,[-0.0259,\,-0.0164]}$.}" in text
    assert r"all & $4.00\times10^{-7}$ & -- & -- & -- & $0.0864_{\,[0.0777,\,0.0968]}$ & " in text
