"""What came of wrong answers, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from nercc_tune.export.table import TunedTable
from nercc_tune.export.wrong_answers import write_bare_percent, write_ratio, wrong_answers_of
from nercc_tune.records import Interval, WrongAnswers
from nercc_tune.terminal.figures import show_interval

__all__ = ["distrust_lines", "table_of_wrong_answers"]

_WIDE = ("MSE (probabilities)", "to the oracle's")
"""Columns that give way in a narrow terminal."""


def table_of_wrong_answers(table: TunedTable) -> Table | None:
    """Return what came of each kind of wrong answers, with 95 % intervals; None where the study had none."""
    found = wrong_answers_of(table)
    if not found:
        return None
    shown = Table(
        title=f"{table.study}: wrong answers on held-out queries (95 % intervals)",
        title_justify="left",
        caption="found: of the wrong answers; accused: of the right ones; the oracle is told which are wrong",
        caption_justify="left",
    )
    for name in ("S", "kind", "found, %", "accused, %", *_WIDE):
        shown.add_column(name, justify="left" if name == "kind" else "right", no_wrap=name not in _WIDE)
    for row in _rows(found):
        shown.add_row(*row)
    return shown


def distrust_lines(table: TunedTable) -> list[str]:
    """Return a line for each straggler count: what distrust costs where nothing is wrong, and how much may be."""
    return [
        f"S={count}: where no answer is wrong, distrust costs {_show_cost(wrong.cost)} of the MSE and accuses "
        f"{write_bare_percent(wrong.false_alarms)} %; at most {wrong.bound} wrong answers were reckoned with"
        for count, wrong in wrong_answers_of(table).items()
    ]


def _rows(found: Mapping[str, WrongAnswers]) -> list[list[str]]:
    return [
        [
            count if item is wrong.detections[0] else "",
            item.kind,
            write_bare_percent(item.found_share),
            write_bare_percent(item.accused_share),
            show_interval(item.prob_mse),
            write_ratio(item.ratio),
        ]
        for count, wrong in found.items()
        for item in wrong.detections
    ]


def _show_cost(cost: Interval | None) -> str:
    return "–" if cost is None else f"{cost.mean:+.2%} [{cost.low:+.2%}, {cost.high:+.2%}]"
