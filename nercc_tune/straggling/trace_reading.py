"""Read a trace of latencies from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling.trace import Trace, check_latencies
from nercc_tune.straggling.trace_cells import as_text, has_names, read_latencies, read_names, read_numbering
from nercc_tune.straggling.trace_header import TraceColumns, find_columns
from nercc_tune.straggling.trace_text import PACKED, TraceText, decode, parse, read_bytes
from nercc_tune.text.one_line import one_line
from nercc_tune.text.units import NANOSECONDS

if TYPE_CHECKING:
    import pyarrow as pa

_RAGGED = re.compile(r"(?:Row #(?P<row>\d+): )?Expected (?P<expected>\d+) columns, got (?P<got>\d+)")
_LONGEST_REASON = 120
_CELL_BYTES = 8
_MOST_BYTES = 2**30  # a thousand workers over a hundred thousand iterations
_TEXT_BYTES_A_CELL_BYTE = 3  # a latency takes up to some twenty letters
_TEXTS = (".csv", ".tsv", ".txt")


def _load(path: Path) -> tuple[pa.Table, TraceColumns]:
    """Read the columns that a trace is made of; no message quotes what is in a file, which may be another one.

    Each is called by its key in `TraceColumns.places`.
    """
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it

    told = one_line(path)
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    suffix = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in PACKED else "".join(suffixes[-1:])
    if suffix not in (*_TEXTS, ".parquet"):
        raise TraceError(
            f"Cannot tell the format of the trace {told}; its name must end in .csv, .tsv, .txt or .parquet, "
            f"of which the first three may be packed (.csv.gz, .bz2, .xz)."
        )
    try:
        if not path.is_file():
            raise TraceError(f"Cannot read the trace {told}: there is no such file; check the path.")
        if suffix == ".parquet":
            return _load_parquet(path)
        content = decode(read_bytes(path, most=_MOST_BYTES * _TEXT_BYTES_A_CELL_BYTE))
        try:
            text = parse(content)
        except TraceError as error:
            raise TraceError(f"Cannot use the trace {told}: {error}") from error
        return _load_text(text), text.columns
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        raise TraceError(f"Cannot read the trace {told}: {_explain(error)}; write it again as {suffix}.") from error


def _load_text(text: TraceText) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - the same
    from pyarrow import csv  # noqa: PLC0415 - the same

    keys = {place: key for key, place in text.columns.places.items()}
    names = [keys.get(place, f"other {place}") for place in range(len(text.header))]
    if not text.rows.strip():
        return pa.table({key: pa.array([], pa.string()) for key in text.columns.places})
    return csv.read_csv(
        pa.BufferReader(text.rows),
        read_options=csv.ReadOptions(column_names=names),
        parse_options=csv.ParseOptions(delimiter=text.separator),
        convert_options=csv.ConvertOptions(
            include_columns=list(text.columns.places),
            column_types=dict.fromkeys(text.columns.places, pa.string()),
            null_values=[],
        ),
    )


def _load_parquet(path: Path) -> tuple[pa.Table, TraceColumns]:
    from pyarrow import parquet  # noqa: PLC0415 - the same

    with parquet.ParquetFile(path) as file:
        header = list(file.schema_arrow.names)
        try:
            columns = find_columns(header)
        except TraceError as error:
            raise TraceError(f"Cannot use the trace {one_line(path)}: {error}") from error
        names = {key: header[place] for key, place in columns.places.items()}
        # A file of some kilobytes may unpack to more than there is memory.
        rows, size = file.metadata.num_rows, _unpacked_size(file.metadata, list(names.values()))
        if rows * len(names) * _CELL_BYTES > _MOST_BYTES or size > _MOST_BYTES:
            raise TraceError(
                f"Cannot read the trace {one_line(path)}: it has {rows} rows of {len(names)} columns and unpacks to "
                f"{size} bytes, of which at most {_MOST_BYTES} are read; record fewer iterations, or part the file."
            )
        table = file.read(columns=list(names.values()))
        return table.select(list(names.values())).rename_columns(list(names)), columns


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


def _first_worker(workers: Sequence[int] | NDArray[np.int64]) -> int:
    """Return the number of the first worker."""
    first = 1 if workers[0] == 1 else 0
    expected = np.arange(first, first + len(workers))
    if not np.array_equal(workers, expected):
        place = int((np.asarray(workers) != expected).argmax())
        raise TraceError(
            f"worker numbers must be consecutive from 0 or 1, but got {workers[place]} in place of "
            f"{expected[place]}; number the workers again."
        )
    return first


def _read_jobs(table: pa.Table, columns: TraceColumns) -> tuple[NDArray[np.int64], int]:
    """Return the number of the job of each row, in the order of their names, and how many there are."""
    jobs = np.zeros(table.num_rows, dtype=np.int64)
    for key in columns.jobs:
        numbers, names = read_names(table.column(key), columns.names[key])
        jobs = np.unique(jobs * len(names) + numbers, return_inverse=True)[1].astype(np.int64)
    return jobs, int(jobs.max()) + 1


def _iteration(key: NDArray[np.int64], jobs: int) -> str:
    return f"iteration {key[1]}" + (f" of job {key[0] + 1} of {jobs}" if jobs > 1 else "")


def _read_table(table: pa.Table, columns: TraceColumns) -> Trace:
    if table.num_rows == 0:
        raise TraceError("there are no iterations in it; record some.")
    return _read_wide(table, columns) if columns.workers else _read_tall(table, columns)


def _read_tall(table: pa.Table, columns: TraceColumns) -> Trace:
    jobs, count = _read_jobs(table, columns)
    numbers = read_numbering(table.column("iteration"), columns.names["iteration"])
    keys, rows = np.unique(np.stack([jobs, numbers], axis=1), axis=0, return_inverse=True)
    label, notes = columns.names["worker"], []
    if has_names(table.column("worker"), label):
        worker, names = read_names(table.column("worker"), label)
        first, width = 0, len(names)
        notes.append(f"the {width} workers of the trace are numbered in the order of their names")
    else:
        worker = read_numbering(table.column("worker"), label)
        known = np.unique(worker)
        first, width = _first_worker(known), len(known)
        worker = worker - first
    if len(keys) * width * _CELL_BYTES > _MOST_BYTES:
        raise TraceError(
            f"{width} workers in {len(keys)} iterations are more than is read, and most of their answers are not "
            f"there; check the columns."
        )
    places = rows.reshape(-1) * width + worker
    order = places.argsort(kind="stable")
    is_twice = places[order][1:] == places[order][:-1]
    if is_twice.any():
        place = int(places[order][is_twice.argmax()])
        raise TraceError(
            f"{_iteration(keys[place // width], count)} has more than one latency of worker {first + place % width}; "
            f"keep one of them, or say in a column `job` which run each is of."
        )
    _check_same_workers(jobs, keys, worker, width=width)
    latencies = np.full((len(keys), width), np.inf)
    latencies.flat[places] = read_latencies({columns.names["latency"]: table.column("latency")})[
        columns.names["latency"]
    ]
    return _to_trace(latencies, keys, count, first_worker=first, notes=notes)


def _check_same_workers(
    jobs: NDArray[np.int64], keys: NDArray[np.int64], worker: NDArray[np.int64], *, width: int
) -> None:
    """Refuse jobs of different workers; in a job of one iteration the missing ones may just not have answered."""
    iterations = np.bincount(keys[:, 0])
    is_there = np.zeros((len(iterations), width), dtype=np.bool_)
    is_there[jobs, worker] = True
    is_other = (iterations > 1) & ~is_there.all(axis=1)
    if len(iterations) > 1 and is_other.any():
        raise TraceError(
            f"job {int(is_other.argmax()) + 1} of {len(iterations)} lacks workers that others have, and a study has "
            f"the same workers throughout; write jobs of other workers into a file of their own."
        )


def _read_wide(table: pa.Table, columns: TraceColumns) -> Trace:
    first = _first_worker(columns.workers)
    jobs, count = _read_jobs(table, columns)
    is_numbered = "iteration" in columns.places
    numbers = (
        read_numbering(table.column("iteration"), columns.names["iteration"])
        if is_numbered
        else np.arange(table.num_rows, dtype=np.int64)
    )
    keys, rows, tally = np.unique(np.stack([jobs, numbers], axis=1), axis=0, return_index=True, return_counts=True)
    if len(keys) < len(numbers):
        raise TraceError(
            f"{_iteration(keys[tally.argmax()], count)} is there more than once; keep one of them, or say in a column "
            f"`job` which run each is of."
        )
    cells = {columns.names[str(worker)]: table.column(str(worker)) for worker in columns.workers}
    latencies = np.stack(list(read_latencies(cells).values()), axis=1)[rows]
    return _to_trace(latencies, keys, count, first_worker=first, notes=[])


def _to_trace(
    latencies: NDArray[np.float64], keys: NDArray[np.int64], jobs: int, *, first_worker: int, notes: list[str]
) -> Trace:
    check_latencies(latencies, iterations=keys[:, 1], first_worker=first_worker)
    if jobs > 1:
        notes = [*notes, f"the trace has {jobs} jobs; each of them is parted in time by itself"]
    return Trace(latencies=latencies, jobs=keys[:, 0] if jobs > 1 else None, notes=tuple(notes))


def _without_empty_rows(table: pa.Table) -> pa.Table:
    """Leave out the rows that Excel writes below a table: of separators only."""
    from pyarrow import compute  # noqa: PLC0415 - a server that reads no trace does without it

    texts = [as_text(column) for column in table.columns]
    if any(text is None for text in texts) or not table.num_columns > 1:
        return table
    empty = [compute.fill_null(compute.equal(text, ""), fill_value=True).to_numpy() for text in texts]
    return table.filter(~np.logical_and.reduce(empty))


def read_trace(path: Path, *, unit: str | None = None) -> Trace:
    """Read latencies from a text file (`.csv`, `.tsv`, `.txt`, packed or not) or a Parquet file, as its name says.

    There is either a row for each answer, with the columns `iteration`, `worker` and `latency`, or a row for each
    iteration, with the columns `latency_worker_<i>` and, if rows are not in the order of time, `iteration`. Iterations
    are numbered in the order of time, with gaps or without; workers from 0 or 1, without, or named. A column `job`
    tells several runs apart. Other columns are ignored; usual synonyms of these names are understood, with a unit or
    without.

    An answer that never came is `inf`, −1, empty, a word such as `timeout`, or a row that is not there.

    Args:
        path: The file.
        unit: The unit to convert into, where the header names another one.

    Raises:
        TraceError: If the file cannot be read, its columns are others or may be several, an iteration has a worker
            twice, a latency is not positive, or jobs have different workers. The message says where.
    """
    table, columns = _load(path)
    try:
        trace = _read_table(_without_empty_rows(table), columns)
    except TraceError as error:
        raise TraceError(f"Cannot use the trace {one_line(path)}: {error}") from error
    notes = [*([columns.translated] if columns.translated else []), *trace.notes]
    if columns.unit is None or unit in (None, columns.unit):
        return replace(trace, unit=columns.unit or unit, notes=tuple(notes))
    notes.append(f"the trace's latencies are turned from {columns.unit} into {unit}")
    mine, its = NANOSECONDS[columns.unit], NANOSECONDS[unit]
    converted = trace.latencies * (mine // its) if mine >= its else trace.latencies / (its // mine)
    return replace(trace, latencies=converted, unit=unit, notes=tuple(notes))
