"""From the cells of a table to latencies, and to the numbers of iterations, workers and jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nercc_tune.errors import TraceError

if TYPE_CHECKING:
    import pyarrow as pa

# What stands for an answer that never came.
_NEVER = (
    "",
    *(
        "inf",
        "+inf",
        "infinity",
        "+infinity",
        "∞",
        "+∞",
        "nan",
        "null",
        "none",
        "nil",
        "na",
        "n/a",
        "#n/a",
        "<na>",
        "nat",
    ),
    *("timeout", "time-out", "time_out", "time out", "timedout", "timed out", "timed_out", "never", "missing", "lost"),
    *("-", "--", "–", "—"),
)
_NEVER_NUMBER = -1.0
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$"
_WHOLE = re.compile(r"([+-]?\d{1,18})(?:\.0*|,0)?")
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+$"


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return the cells of a column of text, in small letters and without spaces around; None for another column."""
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it
    from pyarrow import compute  # noqa: PLC0415 - the same

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(holds(column.type) for holds in kinds):
        return None
    trimmed = compute.utf8_trim_whitespace(column.cast(pa.large_string()))
    return compute.replace_substring(compute.utf8_lower(trimmed), "−", "-")


def read_latencies(columns: Mapping[str, pa.ChunkedArray]) -> dict[str, NDArray[np.float64]]:
    """Return columns of latencies by name, infinite where an answer never came.

    Commas are decimal where all columns together show that they must be.

    Raises:
        TraceError: If a cell is neither a number nor a word for a time-out, or commas may part thousands.
    """
    texts = {name: as_text(column) for name, column in columns.items()}
    is_decimal = _has_decimal_commas([text for text in texts.values() if text is not None])
    return {name: _read(columns[name], texts[name], name=name, is_decimal=is_decimal) for name in columns}


def _read(column: pa.ChunkedArray, text: pa.ChunkedArray | None, *, name: str, is_decimal: bool) -> NDArray[np.float64]:
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it
    from pyarrow import compute  # noqa: PLC0415 - the same

    if text is None:
        values = np.asarray(_cast(column, name, kind="float64").to_numpy(), dtype=np.float64).copy()
        values[np.isnan(values) | (values == _NEVER_NUMBER)] = np.inf
        return values
    is_never = compute.fill_null(compute.is_in(text, value_set=pa.array(_NEVER, text.type)), fill_value=True)
    text = compute.if_else(is_never, "-1", compute.fill_null(text, "-1"))
    if is_decimal:
        text = compute.replace_substring(text, ",", ".")
    is_number = compute.match_substring_regex(text, _NUMBER).to_numpy()
    values = np.full(len(is_number), np.inf)
    if is_number.all():
        values = compute.utf8_ltrim(text, "+").cast(pa.float64()).to_numpy().copy()
    is_wrong = ~is_number | np.isinf(values) & is_number.all()
    if is_wrong.any():
        raise TraceError(f"the column `{name}` must hold numbers only; correct row {int(is_wrong.argmax()) + 1}.")
    values[values == _NEVER_NUMBER] = np.inf
    return values


def _has_decimal_commas(texts: Iterable[pa.ChunkedArray]) -> bool:
    """Whether commas stand for decimal points.

    Raises:
        TraceError: If they may part thousands as well, or points stand beside them.
    """
    from pyarrow import compute  # noqa: PLC0415 - a server that reads no trace does without it

    commas = points = thousands = 0
    for text in texts:
        has_comma = compute.match_substring(text, ",")
        with_comma = text.filter(has_comma)
        commas += len(with_comma)
        points += compute.sum(compute.match_substring_regex(text, r"^\+?\d*\.\d")).as_py() or 0
        thousands += compute.sum(compute.match_substring_regex(with_comma, _THOUSANDS)).as_py() or 0
    if commas and points:
        raise TraceError(
            "latencies hold both commas and points; write all of them with a decimal point, and part no thousands."
        )
    if commas and commas == thousands:
        raise TraceError(
            "the commas in the latencies may be decimal or part thousands, as in 1,234; write decimal points, "
            "and part no thousands."
        )
    return commas > 0


def _cast(column: pa.ChunkedArray, name: str, *, kind: str) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it

    try:
        return column.cast(kind)
    except (ValueError, pa.ArrowException) as error:
        numbers = "whole numbers" if kind == "int64" else "numbers"
        where = _find_wrong(column, kind=kind)
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


def _first_empty(column: pa.ChunkedArray, text: pa.ChunkedArray | None) -> int | None:
    from pyarrow import compute  # noqa: PLC0415 - a server that reads no trace does without it

    is_empty = column.is_null() if text is None else compute.fill_null(compute.equal(text, ""), fill_value=True)
    rows = np.flatnonzero(is_empty.to_numpy())
    return int(rows[0]) if len(rows) else None


def read_numbering(column: pa.ChunkedArray, name: str) -> NDArray[np.int64]:
    """Return a column of whole numbers.

    Raises:
        TraceError: If a cell is empty or no whole number.
    """
    text = as_text(column)
    row = _first_empty(column, text)
    if row is not None:
        raise TraceError(f"the column `{name}` must hold whole numbers only, but row {row + 1} is empty; fill it in.")
    if text is None:
        return np.asarray(_cast(column, name, kind="int64").to_numpy(), dtype=np.int64)
    found = [_WHOLE.fullmatch(cell) for cell in text.to_pylist()]
    row = next((row for row, match in enumerate(found) if match is None), None)
    if row is not None:
        raise TraceError(f"the column `{name}` must hold whole numbers only; correct row {row + 1}.")
    return np.array([int(match[1]) for match in found if match], dtype=np.int64)


def read_names(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return a column of names as numbers from 0 on, and the names in their order, in which node10 follows node9.

    Raises:
        TraceError: If a cell is empty, or some are numbers and some are not.
    """
    import pyarrow as pa  # noqa: PLC0415 - a server that reads no trace does without it
    from pyarrow import compute  # noqa: PLC0415 - the same

    row = _first_empty(column, as_text(column))
    if row is not None:
        raise TraceError(
            f"the column `{name}` must say something in every row, but row {row + 1} is empty; fill it in."
        )
    text = compute.utf8_trim_whitespace(column.cast(pa.large_string())).combine_chunks()
    encoded = text.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda number: _natural(names[number]))
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[order] = np.arange(len(names))
    return ranks[encoded.indices.to_numpy()], [names[number] for number in order]


def has_names(column: pa.ChunkedArray, name: str) -> bool:
    """Whether the cells of a column are names, of which none is a number.

    Raises:
        TraceError: If some are numbers and some are not.
    """
    from pyarrow import compute  # noqa: PLC0415 - a server that reads no trace does without it

    text = as_text(column)
    if text is None:
        return False
    is_number = compute.match_substring_regex(text, r"^[+-]?\d+([.,]\d*)?$|^$").fill_null(fill_value=True).to_numpy()
    if is_number.any() and not is_number.all():
        odd = is_number if is_number.mean() < 1 / 2 else ~is_number
        kind = "names" if is_number.mean() < 1 / 2 else "whole numbers"
        raise TraceError(f"the column `{name}` must hold {kind} only; correct row {int(odd.argmax()) + 1}.")
    return not is_number.all()


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return what sorts names by the numbers in them."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(0, int(part[:4000]), "") if part.isdecimal() else (1, 0, part) for part in parts], name
