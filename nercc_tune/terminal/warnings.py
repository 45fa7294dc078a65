"""Where the tuned code is not what should be deployed, or may not be."""

from __future__ import annotations

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, Interval, TunedEntry

__all__ = ["warnings_of"]


def warnings_of(table: TunedTable) -> list[str]:
    """Return a line on implausible outputs, for floors that are not kept, and for each baseline that does better."""
    lines = [f"warning: {table.workload.warning}"] if table.workload.warning is not None else []
    missed = [write_count(entry) for entry in table.entries if not entry.is_feasible]
    if missed:
        floors = table.goal.floors
        lines.append(f"S = {', '.join(missed)}: no candidate keeps {floors}; the nearest to it was chosen.")
    replicated: list[str] = []
    for name in ("replication", "uncoded", "bacc", "bacc_same_design", "nercc_ag"):
        found = [(entry, _difference(entry, name, table)) for entry in table.entries]
        better = [write_count(entry) for entry, difference in found if difference and difference.low > 0]
        unsure = [write_count(e) for e, d in found if d and d.low <= 0 <= d.high and not _is_origin(e, table, name)]
        if name == "uncoded":
            better = [count for count in better if count not in replicated]
        replicated = better if name == "replication" else replicated
        if better:
            offer = "" if name == "bacc_same_design" else f'; deploy it there with `load_table(…).baseline("{name}")`'
            lines.append(f"S = {', '.join(better)}: {CODE_NAMES[name]} is better than the tuned code{offer}.")
        if unsure:
            lines.append(f"S = {', '.join(unsure)}: the tuned code is not surely better than {CODE_NAMES[name]}.")
    return lines


def _difference(entry: TunedEntry, name: str, table: TunedTable) -> Interval | None:
    """Return the paired difference to a baseline in the goal's error, or in probabilities where spaces differ."""
    minus = entry.minus(table.goal.error)
    return minus.get(name, entry.prob_mse_minus.get(name))


def _is_origin(entry: TunedEntry, table: TunedTable, name: str) -> bool:
    """Whether the tuned code is the baseline (0, 0) itself."""
    is_trusting_reference = entry.design == table.reference and entry.distrust is None
    return name == "nercc_ag" and is_trusting_reference and entry.lambda_enc == entry.lambda_dec == 0
