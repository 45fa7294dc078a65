"""Read a trace of latencies from a file."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling.trace import Trace, check_latencies

if TYPE_CHECKING:
    import pyarrow as pa

_TALL = ("iteration", "worker", "latency")
_WIDE = re.compile(r"latency_worker_(\d{1,9})")
_FORMS = "`iteration`, `worker` and `latency`, or `latency_worker_0`, `latency_worker_1`, …"


def _load(path: Path) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it
    from pyarrow import csv, parquet  # noqa: PLC0415 - the same

    if path.suffix.lower() not in (".csv", ".parquet"):
        raise TraceError(f"Cannot tell the format of the trace {path}; its name must end in .csv or .parquet.")
    if not path.is_file():
        raise TraceError(f"Cannot read the trace {path}: there is no such file; check the path.")
    try:
        if path.suffix.lower() == ".csv":
            # Of what pyarrow reads as nothing, only an empty cell is; "NA" in a column of numbers is an error.
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(null_values=[""]))
        else:
            table = parquet.ParquetFile(path).read()
        return table.rename_columns([name.strip() for name in table.column_names])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TraceError(
            f"Cannot read the trace {path}: {_one_line(error)}; write it again as {path.suffix}."
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _cast(table: pa.Table, name: str, *, kind: str) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it

    try:
        return table.column(name).cast(kind)
    except (ValueError, pa.ArrowException) as error:
        numbers = "whole numbers" if kind == "int64" else "numbers"
        raise TraceError(f"the column `{name}` must hold {numbers} only; correct it ({_one_line(error)}).") from error


def _read_latencies(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column of latencies, NaN where a cell is empty."""
    return np.asarray(_cast(table, name, kind="float64").to_numpy(), dtype=np.float64)


def _read_numbering(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = _cast(table, name, kind="int64")
    if column.null_count:
        row = int(column.is_null().to_numpy().argmax())
        raise TraceError(f"the column `{name}` must hold whole numbers only, but row {row + 1} is empty; fill it in.")
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _check_workers(workers: NDArray[np.int64]) -> int:
    """Return the number of the first worker."""
    first = 1 if workers[0] == 1 else 0
    expected = np.arange(first, first + len(workers))
    if not np.array_equal(workers, expected):
        place = int((workers != expected).argmax())
        raise TraceError(
            f"worker numbers must be consecutive from 0 or 1, but got {workers[place]} in place of "
            f"{expected[place]}; number the workers again."
        )
    return first


def _read_tall(table: pa.Table) -> Trace:
    iterations, rows = np.unique(_read_numbering(table, "iteration"), return_inverse=True)
    worker = _read_numbering(table, "worker")
    workers = np.unique(worker)
    first_worker = _check_workers(workers)
    places = rows * len(workers) + worker - first_worker
    latencies = np.full((len(iterations), len(workers)), np.nan)
    if len(np.unique(places)) < len(places):
        place = int((np.bincount(places, minlength=latencies.size) > 1).argmax())
        raise TraceError(
            f"iteration {iterations[place // len(workers)]} has more than one latency of worker "
            f"{first_worker + place % len(workers)}; keep one of them."
        )
    latencies.flat[places] = _read_latencies(table, "latency")
    check_latencies(latencies, iterations=iterations, first_worker=first_worker)
    return Trace(latencies=latencies)


def _read_wide(table: pa.Table, names: list[str]) -> Trace:
    columns = {int(name.removeprefix("latency_worker_")): name for name in names}
    if len(columns) < len(names):
        raise TraceError("two columns hold the latencies of the same worker; keep one of them.")
    first_worker = _check_workers(np.array(sorted(columns)))
    is_numbered = "iteration" in table.column_names
    iterations = _read_numbering(table, "iteration") if is_numbered else np.arange(table.num_rows)
    numbers, tally = np.unique(iterations, return_counts=True)
    if len(numbers) < len(iterations):
        raise TraceError(f"iteration {numbers[tally.argmax()]} is there more than once; keep one of them.")
    order = iterations.argsort()
    latencies = np.stack([_read_latencies(table, columns[worker]) for worker in sorted(columns)], axis=1)[order]
    check_latencies(latencies, iterations=iterations[order], first_worker=first_worker)
    return Trace(latencies=latencies)


def _to_trace(table: pa.Table) -> Trace:
    names = Counter(table.column_names)
    wide = [name for name in table.column_names if _WIDE.fullmatch(name)]
    is_tall = all(name in names for name in _TALL)
    if is_tall == bool(wide):
        found = ", ".join(f"`{name}`" for name in names)
        raise TraceError(f"the columns must be either {_FORMS}, but are {found or 'none'}; rename them.")
    twice = [name for name in (*_TALL, *wide) if names[name] > 1]
    if twice:
        raise TraceError(f"the column `{twice[0]}` is there more than once; keep one of them.")
    if table.num_rows == 0:
        raise TraceError("there are no iterations in it; record some.")
    return _read_tall(table) if is_tall else _read_wide(table, wide)


def read_trace(path: Path) -> Trace:
    """Read latencies from a CSV or a Parquet file, told apart by the suffix `.csv` or `.parquet`.

    There is either a row for each answer, with the columns `iteration`, `worker` and `latency`, or a row for each
    iteration, with the columns `latency_worker_<i>` and, if rows are not in the order of time, `iteration`. Iterations
    are numbered in the order of time, with gaps or without; workers from 0 or 1, without. Other columns are ignored.

    Raises:
        TraceError: If the file cannot be read, its columns are others, an iteration lacks a worker or has it twice, a
            latency is not positive and finite, or there are fewer than 5 iterations. The message says where.
    """
    table = _load(path)
    try:
        return _to_trace(table)
    except TraceError as error:
        raise TraceError(f"Cannot use the trace {path}: {error}") from error
