from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from nercc_tune.errors import HomeError
from nercc_tune.export.formats import TableFormat, export_table, table_frame, write_table
from nercc_tune.export.table import SCHEMA, TunedTable, parse_table, read_table
from tests.builders import tuned_table
from tests.variants import random_table, table_with

_SUFFIXES: dict[str, TableFormat] = {
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".tex": "latex",
}


def _assert_csv_is_exact(table: TunedTable) -> None:
    rows = list(csv.DictReader(io.StringIO(export_table(table, format="csv").decode())))
    for row, (_, expected) in zip(rows, table_frame(table).iterrows(), strict=True):
        assert list(row) == list(expected.index)
        for name, value in expected.items():
            is_nan = isinstance(value, float) and math.isnan(value)
            assert row[str(name)] == "" if is_nan else type(value)(row[str(name)]) == value


def test_csv_read_back_is_exact() -> None:
    _assert_csv_is_exact(table_with(lambda_enc=0.1 + 0.2, lambda_dec=math.nextafter(1e-7, 1)))


def test_csv_without_labels_read_back_is_exact() -> None:
    _assert_csv_is_exact(tuned_table(has_labels=False))


def test_csv_of_everything_read_back_is_exact() -> None:
    _assert_csv_is_exact(random_table())


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
    with pytest.raises(HomeError, match=r"table.csv` cannot be written: no space left for \d+; free some space"):
        write_table(tuned_table(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
