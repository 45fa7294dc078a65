from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from nercc_tune.errors import NerccTuneError
from nercc_tune.straggling import Trace, WorkerGamma, read_trace
from tests.fuzz.cases import LONG, QUICK, accept_or_refuse
from tests.fuzz.mutations import CANARY, changed, damaged

_LATENCIES = WorkerGamma(workers=3, shape=2.0, scale=1.0, spread=0.5, correlation=0.5).sample(6, seed=0)
_TALL = {
    "iteration": np.repeat(np.arange(6), 3).tolist(),
    "worker": np.tile(np.arange(3), 6).tolist(),
    "latency": _LATENCIES.ravel().tolist(),
}
_WIDE = {"iteration": list(range(6)), **{f"latency_worker_{w}": row.tolist() for w, row in enumerate(_LATENCIES.T)}}


def _rows(columns: dict[str, list[Any]]) -> list[list[str]]:
    cells = zip(*columns.values(), strict=True)
    return [list(columns), *([repr(cell) for cell in row] for row in cells)]


def _csv(rows: Sequence[object]) -> bytes:
    """Write rows of cells, or what a mutation left of them."""
    lines = (",".join(_cell(cell) for cell in row) if isinstance(row, list) else _cell(row) for row in rows)
    return "\n".join(lines).encode(errors="surrogatepass")


def _cell(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**99:
        return "1" * 5000
    return value if isinstance(value, str) else str(value)


_ROWS = [_rows(_TALL), _rows(_WIDE)]
_CHANGED_CELLS = st.sampled_from(
    ("", CANARY, "nan", "-inf", "1e400", "0x10", "1_0", "1;2", '"', '"a\nb"', "NA", "9" * 30)
)


@st.composite
def _odd_cells(draw: st.DrawFn) -> bytes:
    rows = [list(row) for row in draw(st.sampled_from(_ROWS))]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(_CHANGED_CELLS)
    return _csv(rows)


_TYPES: tuple[pa.DataType, ...] = (
    pa.int8(),
    pa.uint64(),
    pa.float16(),
    pa.float32(),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.bool_(),
    pa.null(),
    pa.date32(),
    pa.timestamp("ns"),
    pa.decimal128(38, 6),
    pa.list_(pa.float64()),
    pa.struct([("a", pa.float64())]),
    pa.dictionary(pa.int8(), pa.float64()),
)


def _convert(values: list[float], kind: pa.DataType) -> pa.Array:
    """Return a column with a value of a type for each number, near it where that can be."""
    if pa.types.is_dictionary(kind):
        return pa.array([float(value) for value in values]).dictionary_encode()
    makers: tuple[tuple[Callable[[pa.DataType], bool], Callable[[float], object]], ...] = (
        (pa.types.is_list, lambda value: [value]),
        (pa.types.is_struct, lambda value: {"a": value}),
        (pa.types.is_null, lambda _: None),
        (pa.types.is_binary, lambda value: repr(value).encode()),
        (pa.types.is_decimal, lambda value: Decimal(round(value))),
        (pa.types.is_boolean, bool),
        (pa.types.is_floating, np.float16 if pa.types.is_float16(kind) else float),
        (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), repr),
    )
    make = next((make for holds, make in makers if holds(kind)), round)
    return pa.array([make(value) for value in values], type=None if pa.types.is_date(kind) else kind)


@st.composite
def _odd_columns(draw: st.DrawFn) -> pa.Table:
    columns = draw(st.sampled_from((_TALL, _WIDE)))
    names, arrays = list(columns), [pa.array(values) for values in columns.values()]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(names) - 1))
        match draw(st.sampled_from(("type", "name", "drop", "repeat", "value"))):
            case "type":
                arrays[place] = _convert(list(columns.values())[place % len(columns)], draw(st.sampled_from(_TYPES)))
            case "name":
                odd = ("worker", " latency", "", "latency_worker_0", "latency_worker_007", "a.b", "x\0\n", CANARY)
                names[place] = draw(st.sampled_from(odd))
            case "drop" if len(names) > 1:
                del names[place], arrays[place]
            case "repeat":
                names.append(names[place])
                arrays.append(arrays[place])
            case _:
                odd_values: tuple[Any, ...] = (None, float("nan"), float("inf"), -1.0, 0.0, 1e308, 5e-324, 2.0**62)
                values: list[Any] = [1.0] * len(arrays[place])
                values[-1] = draw(st.sampled_from(odd_values))
                arrays[place] = pa.array(values)
    return pa.table(arrays, names=names)


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="gzip")
    return bytes(sink.getvalue())


_WHOLE_PARQUET = [_parquet(pa.table(columns)) for columns in (_TALL, _WIDE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


def _check(folder: Path, content: bytes, *, suffix: str) -> None:
    path = folder / f"trace{suffix}"
    path.write_bytes(content)
    trace = accept_or_refuse(lambda: read_trace(path), folder)
    if isinstance(trace, NerccTuneError):
        assert "canary" not in str(trace)
        return
    columns = {f"latency_worker_{worker}": column.tolist() for worker, column in enumerate(trace.latencies.T)}
    for again in (folder / "again.csv", folder / "again.parquet"):
        again.write_bytes(_csv(_rows(columns)) if again.suffix == ".csv" else _parquet(pa.table(columns)))
        assert np.array_equal(read_trace(again).latencies, trace.latencies)


def _is_whole(trace: Trace) -> bool:
    return np.array_equal(trace.latencies, _LATENCIES)


_csv_changed = changed(_ROWS).map(_csv)
_csv_damaged = st.sampled_from(_ROWS).flatmap(lambda rows: damaged(_csv(rows)))
_parquet_changed = _odd_columns().map(_parquet)
_parquet_damaged = st.sampled_from(_WHOLE_PARQUET).flatmap(damaged)
_csv_all = st.one_of(_csv_changed, _odd_cells(), _csv_damaged)


def test_the_documents_are_valid(folder: Path) -> None:
    for rows in _ROWS:
        (folder / "whole.csv").write_bytes(_csv(rows))
        assert _is_whole(read_trace(folder / "whole.csv"))
    for content in _WHOLE_PARQUET:
        (folder / "whole.parquet").write_bytes(content)
        assert _is_whole(read_trace(folder / "whole.parquet"))


@QUICK
@given(content=_csv_all)
def test_csv_is_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content, suffix=".csv")


@QUICK
@given(content=_parquet_changed)
def test_odd_columns_of_parquet_are_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content, suffix=".parquet")


@QUICK
@given(content=_parquet_damaged)
def test_damaged_parquet_is_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content, suffix=".parquet")


@pytest.mark.slow
@LONG
@given(content=_csv_all)
def test_csv_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content, suffix=".csv")


@pytest.mark.slow
@LONG
@given(content=_parquet_changed)
def test_odd_columns_of_parquet_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content, suffix=".parquet")


@pytest.mark.slow
@LONG
@given(content=_parquet_damaged)
def test_damaged_parquet_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content, suffix=".parquet")
