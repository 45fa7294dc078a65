"""What `--profile` shows."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

__all__ = ["table_of_times"]


def table_of_times(seconds: Mapping[str, float], wall: float) -> Table:
    """Return the seconds of each stage with their shares of the wall time."""
    shown = Table(title="where the time went", title_justify="left")
    for name in ("stage", "seconds", "share"):
        shown.add_column(name, justify="left" if name == "stage" else "right")
    rest = wall - sum(seconds.values())
    for stage, spent in sorted({**seconds, "other": rest}.items(), key=lambda item: -item[1]):
        shown.add_row(stage, f"{spent:.2f}", f"{spent / wall:.1%}")
    shown.add_row("all", f"{wall:.2f}", "100.0%")
    return shown
