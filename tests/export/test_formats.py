from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from nercc_tune.export.formats import TableFormat, export_table, table_frame, write_table
from nercc_tune.export.table import SCHEMA, TunedTable, parse_table, read_table
from nercc_tune.records import BASELINES, Interval
from tests.reporting.builders import interval, tuned_table

_SUFFIXES: dict[str, TableFormat] = {
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".tex": "latex",
}


def _with_first(table: TunedTable, **changes: object) -> TunedTable:
    first = replace(table.entries[0], **changes)  # type: ignore[arg-type]  # the tests name fields and fitting values
    return replace(table, entries=(first, *table.entries[1:]))


def _with_mse(mean: float, low: float, high: float) -> TunedTable:
    table = tuned_table()
    judged = replace(table.entries[0].heldout, mse=Interval(mean=mean, low=low, high=high))
    return _with_first(table, heldout=judged)


def _markdown_row(table: TunedTable, stragglers: int, *, block: int = 0) -> list[str]:
    text = export_table(table, format="markdown").decode()
    row = re.findall(rf"^\| {stragglers} \|.*$", text, flags=re.MULTILINE)[block]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_frame_has_a_row_for_each_straggler_count() -> None:
    assert table_frame(tuned_table())["stragglers"].tolist() == [20, 40, 80, 120]


def test_the_frame_holds_the_figures_themselves() -> None:
    table = tuned_table()
    row, entry, policy = table_frame(table).iloc[2], table.entries[2], table.policy
    assert row["lambda_enc"] == entry.lambda_enc
    assert row["lambda_dec"] == entry.lambda_dec
    assert row["df_enc"] == entry.df_enc
    assert row["heldout_mse_low"] == entry.heldout.mse.low
    assert row["tuning_mse_p95"] == entry.tuning.mse_p95
    assert row["mse_minus_bacc_high"] == entry.mse_minus["bacc"].high
    assert row["policy_lambda_enc"] == policy.lambda_enc
    assert row["policy_lambda_dec"] == policy.entries[2].lambda_dec
    assert row["policy_agreement"] == policy.entries[2].heldout.agreement.mean
    assert (row["domain_low"], row["domain_high"]) == entry.domain
    for name in BASELINES:
        assert row[f"{name}_mse"] == entry.baselines[name].mse.mean


def test_undefined_figures_are_nan_in_columns_of_numbers() -> None:
    frame = table_frame(tuned_table(has_labels=False))
    assert frame["heldout_rel_acc"].dtype == "float64"
    assert frame["heldout_rel_acc"].isna().all()


def test_a_straggler_count_without_policy_is_nan() -> None:
    table = tuned_table()
    table = replace(table, policy=replace(table.policy, entries=table.policy.entries[1:]))
    frame = table_frame(table)
    assert math.isnan(frame["policy_lambda_dec"][0])
    assert frame["policy_lambda_dec"][1] == table.policy.entries[0].lambda_dec


def _assert_csv_is_exact(table: TunedTable) -> None:
    rows = list(csv.DictReader(io.StringIO(export_table(table, format="csv").decode())))
    for row, (_, expected) in zip(rows, table_frame(table).iterrows(), strict=True):
        assert list(row) == list(expected.index)
        for name, value in expected.items():
            is_nan = isinstance(value, float) and math.isnan(value)
            assert row[str(name)] == "" if is_nan else type(value)(row[str(name)]) == value


def test_csv_read_back_is_exact() -> None:
    _assert_csv_is_exact(_with_first(tuned_table(), lambda_enc=0.1 + 0.2, lambda_dec=math.nextafter(1e-7, 1)))


def test_csv_without_labels_read_back_is_exact() -> None:
    _assert_csv_is_exact(tuned_table(has_labels=False))


def test_parquet_read_back_is_exact() -> None:
    table = tuned_table(has_labels=False)
    back = pd.read_parquet(io.BytesIO(export_table(table, format="parquet")))
    pd.testing.assert_frame_equal(back, table_frame(table), check_exact=True)


def test_parquet_names_schema_and_digest() -> None:
    table = tuned_table()
    schema = pq.read_schema(io.BytesIO(export_table(table, format="parquet")))
    metadata = schema.metadata
    assert schema.names == list(table_frame(table).columns)
    assert metadata[b"nercc_tune.schema"] == SCHEMA.encode()
    assert metadata[b"nercc_tune.digest"] == table.digest.encode()


def test_json_is_the_table() -> None:
    table = tuned_table()
    assert parse_table(export_table(table, format="json").decode()) == table


@pytest.mark.parametrize("kind", _SUFFIXES.values())
def test_equal_tables_give_equal_bytes(kind: TableFormat) -> None:
    assert export_table(tuned_table(), format=kind) == export_table(tuned_table(), format=kind)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="`format` must be one of json, csv, parquet, markdown, latex, but got 'xml'"):
        export_table(tuned_table(), format="xml")  # type: ignore[arg-type]  # what a caller without types may do


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
    row = _markdown_row(_with_first(tuned_table(), lambda_enc=0.0, lambda_dec=3.1623e-7), 20)
    assert row[1:5] == ["0", "3.16e-07", "31.4", "58.2"]


def test_a_gain_is_the_share_of_the_baseline_that_is_saved() -> None:
    table = tuned_table()
    entry = table.entries[0]
    baselines = {**entry.baselines, "bacc": replace(entry.baselines["bacc"], mse=interval(0.2))}
    difference = {**entry.mse_minus, "bacc": Interval(mean=-0.05, low=-0.06, high=0.01)}
    assert _markdown_row(_with_first(table, baselines=baselines, mse_minus=difference), 20)[6] == "25.0 [-5.0, 30.0]"


def test_a_gain_over_a_perfect_baseline_is_undefined() -> None:
    table = tuned_table()
    baselines = dict(table.entries[0].baselines)
    baselines["bacc"] = replace(baselines["bacc"], mse=Interval(mean=0.0, low=0.0, high=0.0))
    assert _markdown_row(_with_first(table, baselines=baselines), 20)[6] == "–"


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


def test_latex_writes_powers_of_ten() -> None:
    text = export_table(_with_first(tuned_table(), lambda_enc=0.0, lambda_dec=3.1623e-7), format="latex").decode()
    assert r"$20$ & $0$ & $3.16\times10^{-7}$ & " in text


def test_latex_writes_the_interval_as_a_subscript() -> None:
    text = export_table(_with_mse(3.951e-4, 3.802e-4, 4.109e-4), format="latex").decode()
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


@pytest.mark.parametrize(("suffix", "kind"), _SUFFIXES.items())
def test_the_suffix_tells_the_format(tmp_path: Path, suffix: str, kind: TableFormat) -> None:
    write_table(tuned_table(), tmp_path / "new" / f"table{suffix}")
    assert (tmp_path / "new" / f"table{suffix}").read_bytes() == export_table(tuned_table(), format=kind)


def test_a_written_table_can_be_read(tmp_path: Path) -> None:
    write_table(tuned_table(), tmp_path / "table.JSON")
    assert read_table(tmp_path / "table.JSON") == tuned_table()


def test_a_format_prevails_over_the_suffix(tmp_path: Path) -> None:
    write_table(tuned_table(), tmp_path / "table.txt", format="markdown")
    assert (tmp_path / "table.txt").read_bytes() == export_table(tuned_table(), format="markdown")


@pytest.mark.parametrize("name", ["table.xlsx", "table"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"`path` must end in one of .json, .csv, .* but got `{name}`"):
        write_table(tuned_table(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_writing_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")
    write_table(tuned_table(), path)
    assert path.read_bytes() == export_table(tuned_table(), format="csv")
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")

    def fail(descriptor: int) -> None:
        raise OSError(28, f"no space left for {descriptor}")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        write_table(tuned_table(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
