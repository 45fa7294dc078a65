"""The table of tuned pairs; its other formats are in `nercc_tune.export.formats`, which needs pandas and pyarrow."""

from nercc_tune.export.table import SCHEMA, TunedTable, parse_table, read_table

__all__ = ["SCHEMA", "TunedTable", "parse_table", "read_table"]
