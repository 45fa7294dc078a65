"""What `advise` shows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nercc_tune.export.advice import Advice
from nercc_tune.records import CODE_NAMES
from nercc_tune.terminal.figures import show_interval

__all__ = ["table_of_advice"]


def table_of_advice(advices: Sequence[Advice]) -> Table:
    """Return which code wins at which straggler count, by the held-out MSE in probabilities."""
    shown = Table(title="MSE in probabilities on held-out queries (95 % intervals)", title_justify="left")
    codes = list(dict.fromkeys(code for advice in advices for code in advice.heldout))
    for name in ("S", *(CODE_NAMES[code] for code in codes), "deploy"):
        shown.add_column(name, justify="left" if name == "deploy" else "right", no_wrap=name == "S")
    for advice in advices:
        shown.add_row(
            advice.count,
            *(show_interval(advice.heldout[code].prob_mse) if code in advice.heldout else "–" for code in codes),
            CODE_NAMES[advice.best] if advice.is_certain else f"{CODE_NAMES[advice.best]}, probably",
        )
    return shown
