"""What `advise --agreement` shows: how many workers it takes, and of which code."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nercc_tune.export.needs import Choice, Need
from nercc_tune.records import CODE_NAMES
from nercc_tune.terminal.figures import show_interval

__all__ = ["line_of_need", "table_of_needs"]


def line_of_need(need: Need) -> str:
    """Return the answer in a line."""
    best, judged = need.best, need.best.judged
    worth = (
        f"agreement {_show_share(best)}, MSE in probabilities {show_interval(best.heldout.prob_mse)} "
        f"({judged.study}, S = {judged.count})"
    )
    taken = f"{judged.workers} workers (N / K = {judged.redundancy:.3g}) with {CODE_NAMES[best.code]}"
    found = {
        "holds": taken,
        "holds on average": f"not surely with any code; on average {taken}",
        "does not hold": f"no code keeps it; the nearest is {taken}",
    }[best.verdict]
    absent = ", ".join(map(str, need.level.absent))
    unjudged = f"; N = {absent} not judged with so many stragglers" if absent else ""
    return f"agreement ≥ {need.floor:g} at {need.level.title}: {found}: {worth}{unjudged}"


def table_of_needs(needs: Sequence[Need]) -> Table:
    """Return the best code at each number of workers, a section for each count or share of stragglers."""
    shown = Table(title="the best code at each number of workers, on held-out queries", title_justify="left")
    for name in ("stragglers", "N", "N / K", "S", "code", "agreement", "MSE (probabilities)", "floor"):
        is_text = name in ("stragglers", "code", "floor")
        shown.add_column(name, justify="left" if is_text else "right", no_wrap=name in ("N", "N / K", "S"))
    for need in needs:
        for choice in need.choices:
            judged = choice.judged
            shown.add_row(
                need.level.title if choice is need.choices[0] else "",
                str(judged.workers),
                f"{judged.redundancy:.3g}",
                judged.count,
                CODE_NAMES[choice.code],
                _show_share(choice),
                show_interval(choice.heldout.prob_mse),
                choice.verdict,
                style="bold" if choice is need.best and choice.verdict == "holds" else None,
            )
        shown.add_section()
    return shown


def _show_share(choice: Choice) -> str:
    share = choice.heldout.agreement
    return f"{share.mean:.4f} [{share.low:.4f}, {share.high:.4f}]"
