"""The table in other formats: JSON to serve from, CSV and Parquet to compute with, Markdown and LaTeX to read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from nercc_tune.export.attachments import Attachments, attached_files
from nercc_tune.export.frame import table_frame
from nercc_tune.export.latex import to_latex
from nercc_tune.export.markdown import to_markdown
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
    attachments: Attachments | None = None,
) -> None:
    """Write the table to a file, whole or not at all: a reader never sees a part of it.

    Beside a JSON table lie the moments of its calibrated decoders, what right answers look like where its decoders look
    at that, and the networks of its trained codes, in files whose names begin alike and end in `.safetensors`; they are
    written first.

    Args:
        table: What to write.
        path: Where to; missing folders are made.
        format: By default told by the suffix: .json, .csv, .parquet, .md or .tex.
        attachments: What is in those files.

    Raises:
        ValueError: If there is no `format` for the suffix, or `format` is unknown.
        TableError: If the attachments lack something that a JSON table needs.
    """
    path = Path(path)
    if format is None and path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise ValueError(f"`path` must end in one of {known} where no `format` is given, but got `{path.name}`.")
    format = format or _SUFFIXES[path.suffix.lower()]  # noqa: A001 - the same
    if format == "json":
        for beside, content in attached_files(table, attachments or Attachments(), beside=path).items():
            write_whole(beside, content)
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
