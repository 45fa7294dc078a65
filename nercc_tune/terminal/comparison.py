"""What `compare` shows: the codes of several studies side by side."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from nercc_tune.export.blocks import UNDEFINED, write_error, write_share
from nercc_tune.export.comparison import COMPARED_SHARES, ComparedCode, Setting, Standing
from nercc_tune.records import Interval

__all__ = ["COMPARISON_KEY", "table_of_setting"]

_MARKS: dict[Standing, str] = {"best": " *", "tie": " ≈", "behind": ""}

COMPARISON_KEY = (
    "A_a: every worker answers; A_d: of queries of which no plain copy arrived; A_o: where each worker is late with "
    "probability f; * the best, ≈ its interval overlaps with the best one's, ≥ at least, as it degrades no query here"
)
"""What the columns and marks mean."""


def table_of_setting(setting: Setting) -> Table:
    """Return the codes of a setting with 95 % intervals, the best A_o at each f marked."""
    shown = Table(title=setting.title, title_justify="left")
    shown.add_column("code", min_width=12)
    for name in ("MSE (probabilities)", "agreement", "A_a", "A_d"):
        shown.add_column(name, justify="right")
    for late in COMPARED_SHARES:
        shown.add_column(f"A_o, f = {100 * late:g} %", justify="right")
    for code in setting.codes:
        availability = code.availability
        shown.add_row(
            Text(code.name),
            write_error(code.heldout.prob_mse),
            write_share(code.heldout.agreement),
            _share(availability.available if availability else None),
            _share(code.degraded),
            *(_overall(setting, code, late) for late in COMPARED_SHARES),
        )
    return shown


def _overall(setting: Setting, code: ComparedCode, late: float) -> Text:
    overall, standing = code.overall(late), setting.standing(code, late)
    written = UNDEFINED if overall is None else overall.text
    return Text(written + (_MARKS[standing] if standing else ""), style="bold" if standing == "best" else "")


def _share(figure: Interval | None) -> str:
    return UNDEFINED if figure is None else write_share(figure)
