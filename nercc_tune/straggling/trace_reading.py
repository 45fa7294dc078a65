"""Read a trace of latencies from a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling.trace import Trace, check_latencies
from nercc_tune.text.one_line import one_line

if TYPE_CHECKING:
    import pyarrow as pa

_TALL = ("iteration", "worker", "latency")
_WIDE = re.compile(r"latency_worker_(\d{1,9})")
_RAGGED = re.compile(r"(?:Row #(?P<row>\d+): )?Expected (?P<expected>\d+) columns, got (?P<got>\d+)")
_LONGEST_REASON = 120
_CELL_BYTES = 8
_MOST_BYTES = 2**30  # a thousand workers over a hundred thousand iterations
_FORMS = "`iteration`, `worker` and `latency`, or `latency_worker_0`, `latency_worker_1`, …"


def _load(path: Path) -> pa.Table:
    """Read the columns that a trace is made of; no message quotes what is in a file, which may be another one."""
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it

    told = one_line(path)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise TraceError(f"Cannot tell the format of the trace {told}; its name must end in .csv or .parquet.")
    try:
        if not path.is_file():
            raise TraceError(f"Cannot read the trace {told}: there is no such file; check the path.")
        table = _load_csv(path) if suffix == ".csv" else _load_parquet(path)
        return table.rename_columns([name.strip() for name in table.column_names])
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        raise TraceError(f"Cannot read the trace {told}: {_explain(error)}; write it again as {suffix}.") from error


def _load_csv(path: Path) -> pa.Table:
    from pyarrow import csv  # noqa: PLC0415 - the same

    # Of what pyarrow reads as nothing, only an empty cell is; "NA" in a column of numbers is an error.
    return csv.read_csv(path, convert_options=csv.ConvertOptions(null_values=[""]))


def _load_parquet(path: Path) -> pa.Table:
    from pyarrow import parquet  # noqa: PLC0415 - the same

    with parquet.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name.strip() in _TALL or _WIDE.fullmatch(name.strip())]
        # A file of some kilobytes may unpack to more than there is memory.
        rows, size = file.metadata.num_rows, _unpacked_size(file.metadata, names)
        if rows * len(names) * _CELL_BYTES > _MOST_BYTES or size > _MOST_BYTES:
            raise TraceError(
                f"Cannot read the trace {one_line(path)}: it has {rows} rows of {len(names)} columns and unpacks to "
                f"{size} bytes, of which at most {_MOST_BYTES} are read; leave some iterations out."
            )
        return file.read(columns=names) if names else file.schema_arrow.empty_table()


def _unpacked_size(metadata: pa.FileMetaData, names: Sequence[str]) -> int:
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema.split(".")[0] in names)


def _explain(error: BaseException) -> str:
    """Return what is wrong with a file without what is in it, which pyarrow quotes at the end of its messages."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    found = _RAGGED.search(str(error))
    if found:
        row = f"row {found['row']}: " if found["row"] else ""
        return f"{row}Expected {found['expected']} columns, got {found['got']}"
    return one_line(str(error).split(":")[0], longest=_LONGEST_REASON).rstrip(".")


def _cast(table: pa.Table, name: str, *, kind: str) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it

    try:
        return table.column(name).cast(kind)
    except (ValueError, pa.ArrowException) as error:
        numbers = "whole numbers" if kind == "int64" else "numbers"
        where = _find_wrong(table.column(name), kind=kind)
        raise TraceError(f"the column `{name}` must hold {numbers} only; correct {where}.") from error


def _find_wrong(column: pa.ChunkedArray, *, kind: str) -> str:
    """Return the first row of a column that is no number of a kind, by halving the rows that may hold it."""
    import pyarrow as pa  # noqa: PLC0415 - the same

    start, stop = 0, len(column)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            column.slice(start, middle - start).cast(kind)
        except (ValueError, pa.ArrowException):
            stop = middle
        else:
            start = middle
    return f"row {start + 1}"


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
    ascending = np.sort(places)
    if (ascending[1:] == ascending[:-1]).any():
        place = int(ascending[(ascending[1:] == ascending[:-1]).argmax()])
        raise TraceError(
            f"iteration {iterations[place // len(workers)]} has more than one latency of worker "
            f"{first_worker + place % len(workers)}; keep one of them."
        )
    if len(places) < len(iterations) * len(workers):  # which may be far more than fit in memory
        is_next = ascending == np.arange(len(places))
        place = len(places) if is_next.all() else int(is_next.argmin())
        raise TraceError(
            f"iteration {iterations[place // len(workers)]} lacks a latency of worker "
            f"{first_worker + place % len(workers)}; record it, or remove the iteration."
        )
    latencies = np.full((len(iterations), len(workers)), np.nan)
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
        found = ", ".join(f"`{name}`" for name in (*_TALL, *wide[:1]) if name in names)
        raise TraceError(
            f"the columns must be either {_FORMS}, but of these there are {found or 'none'}; "
            f"rename them, and part them by commas."
        )
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
        raise TraceError(f"Cannot use the trace {one_line(path)}: {error}") from error
