"""What `advise --agreement` shows: how many workers it takes, and of which code."""

from __future__ import annotations

from rich.table import Table

from nercc_tune.export.needs import Choice, Need
from nercc_tune.records import CODE_NAMES
from nercc_tune.terminal.figures import show_interval

__all__ = ["line_of_need", "table_of_need"]


def line_of_need(need: Need) -> str:
    """Return the answer in a line."""
    best, judged = need.best, need.best.judged
    worth = (
        f"agreement {_show_share(best)}, MSE in probabilities {show_interval(best.heldout.prob_mse)} "
        f"({judged.study}, S = {judged.count})"
    )
    taken = f"{judged.workers} workers (N / K = {judged.redundancy:.3g}) with {CODE_NAMES[best.code]}"
    asked = f"agreement ≥ {need.floor:g} at {need.level.title}"
    if best.verdict == "holds":
        return f"{asked}: {taken}: {worth}"
    if best.verdict == "holds on average":
        return f"{asked}: not surely with any code; on average {taken}: {worth}"
    return f"{asked}: no code keeps it; the nearest is {taken}: {worth}"


def table_of_need(need: Need) -> Table:
    """Return the best code at each number of workers."""
    shown = Table(title=f"{need.level.title}: the best code at each number of workers", title_justify="left")
    for name in ("N", "N / K", "S", "code", "agreement", "MSE (probabilities)", f"≥ {need.floor:g}"):
        is_text = name == "code" or name.startswith("≥")
        shown.add_column(name, justify="left" if is_text else "right", no_wrap=name in ("N", "N / K", "S"))
    for choice in need.choices:
        judged = choice.judged
        shown.add_row(
            str(judged.workers),
            f"{judged.redundancy:.3g}",
            judged.count,
            CODE_NAMES[choice.code],
            _show_share(choice),
            show_interval(choice.heldout.prob_mse),
            choice.verdict,
        )
    return shown


def _show_share(choice: Choice) -> str:
    share = choice.heldout.agreement
    return f"{share.mean:.4f} [{share.low:.4f}, {share.high:.4f}]"
