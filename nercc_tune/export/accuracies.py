"""The block of a table that compares codes by their accuracies where workers are late."""

from __future__ import annotations

from nercc_tune.export.availability import compare_availability
from nercc_tune.export.blocks import CODE, UNDEFINED, Block, write_share
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, TOLD_SHARE, Availability, Interval

__all__ = ["accuracy_block"]

_NOTE = (
    "A_a: every worker answers; A_d: of queries of which no plain copy arrived; A_o = (1 − φ) A_a + φ A_d, with φ the "
    "chance that a query is one of these."
)


def accuracy_block(table: TunedTable) -> Block | None:
    """Return the accuracies of all codes, as `compare_availability` picks them; None where it picks none."""
    compared = compare_availability(table)
    if compared is None:
        return None
    return Block(
        title=f"Accuracy at S = {compared.count}",
        head=(CODE, "A_a", "A_d", f"φ at f = {100 * TOLD_SHARE:g} %", f"A_o at f = {100 * TOLD_SHARE:g} %"),
        rows=tuple((CODE_NAMES[name], *_figures(availability)) for name, availability in compared.codes.items()),
        note=_NOTE,
    )


def _figures(availability: Availability) -> tuple[str, ...]:
    available, degraded, overall = map(_share, availability.figures().values())
    return (available, degraded, f"{availability.exposure(TOLD_SHARE):.3g}", overall)


def _share(figure: Interval | None) -> str:
    return UNDEFINED if figure is None else write_share(figure)
