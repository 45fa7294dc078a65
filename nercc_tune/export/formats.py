"""The table in other formats: JSON to serve from, CSV and Parquet to compute with, Markdown and LaTeX to read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from nercc_tune.coding import Moments
from nercc_tune.export.frame import table_frame
from nercc_tune.export.latex import to_latex
from nercc_tune.export.markdown import to_markdown
from nercc_tune.export.moments import moments_path, pack_moments
from nercc_tune.export.table import SCHEMA, TunedTable
from nercc_tune.home import write_whole

__all__ = ["TableFormat", "export_table", "table_frame", "write_table"]

TableFormat = Literal["json", "csv", "parquet", "markdown", "latex"]

_SUFFIXES: dict[str, TableFormat] = {
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".tex": "latex",
}


def export_table(table: TunedTable, *, format: TableFormat) -> bytes:  # noqa: A002 - pandas' and Optuna's word for it
    """Return the table in one of the formats, as the bytes of a file.

    Only `json` can be served from; `csv` and `parquet` hold every figure exactly, `markdown` and `latex` (which needs
    the package booktabs) hold three digits for a reader.

    Raises:
        ValueError: If `format` is none of them.
    """
    if format not in _WRITERS:
        known = ", ".join(get_args(TableFormat))
        raise ValueError(f"`format` must be one of {known}, but got {format!r}.")
    return _WRITERS[format](table)


def write_table(
    table: TunedTable,
    path: str | Path,
    *,
    format: TableFormat | None = None,  # noqa: A002
    moments: Mapping[str, Moments] | None = None,
) -> None:
    """Write the table to a file, whole or not at all: a reader never sees a part of it.

    Beside a JSON table lie the moments of its calibrated decoders, in a file of the same name that ends in
    `.safetensors`; it is written first.

    Args:
        table: What to write.
        path: Where to; missing folders are made.
        format: By default told by the suffix: .json, .csv, .parquet, .md or .tex.
        moments: What the calibrated decoders of the table were calibrated to, by digest.

    Raises:
        ValueError: If there is no `format` for the suffix, or `format` is unknown.
    """
    path = Path(path)
    if format is None and path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise ValueError(f"`path` must end in one of {known} where no `format` is given, but got `{path.name}`.")
    format = format or _SUFFIXES[path.suffix.lower()]  # noqa: A001 - the same
    if format == "json" and table.moments:
        needed = [(moments or {})[digest] for digest in table.moments]
        write_whole(moments_path(path), pack_moments(needed))
    write_whole(path, export_table(table, format=format))


def _csv(table: TunedTable) -> bytes:
    return table_frame(table).to_csv(index=False, lineterminator="\n").encode()


def _parquet(table: TunedTable) -> bytes:
    columns = pa.Table.from_pandas(table_frame(table), preserve_index=False)
    named = {"nercc_tune.schema": SCHEMA, "nercc_tune.digest": table.digest}
    buffer = io.BytesIO()
    pq.write_table(columns.replace_schema_metadata({**(columns.schema.metadata or {}), **named}), buffer)
    return buffer.getvalue()


_WRITERS: dict[TableFormat, Callable[[TunedTable], bytes]] = {
    "json": lambda table: table.to_json().encode(),
    "csv": _csv,
    "parquet": _parquet,
    "markdown": lambda table: to_markdown(table).encode(),
    "latex": lambda table: to_latex(table).encode(),
}
