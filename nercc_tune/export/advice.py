"""Which code to deploy at which straggler count: coding is not always what serves best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Heldout, Interval, Policy, TunedEntry, to_json

__all__ = ["TUNED", "Advice", "advise", "describe_advice"]

_COMPARED = ("bacc", "bacc_same_design", "replication")
TUNED = "tuned"


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to deploy for the straggler counts of one entry.

    Attributes:
        best: `tuned`, `bacc`, `bacc_same_design` or `replication`: the least held-out MSE in probabilities.
        is_certain: Whether the intervals of the paired differences leave no doubt.
        heldout: By code, on the same draws.
        minus: Paired difference of the MSE in probabilities, tuned NeRCC minus each of the others.
        is_expected: Whether it is for all entries together, with the policy in the place of the tuned codes.
    """

    stragglers: int
    fewest: int
    best: str
    is_certain: bool
    heldout: dict[str, Heldout]
    minus: dict[str, Interval]
    is_expected: bool = False

    @property
    def count(self) -> str:
        """The straggler counts for a reader."""
        return "all (policy)" if self.is_expected else write_count(self)


def advise(table: TunedTable) -> tuple[Advice, ...]:
    """Compare tuned NeRCC, BACC (also in the tuned design) and replication on the same N workers, for each entry.

    Where the number of stragglers is random nobody knows the entry before the queries are sent, so the first piece of
    advice is for all of them: it compares what is expected of the policy. Between BACC and replication, where neither
    loses to tuned NeRCC, the winner is certain if their own intervals do not overlap.
    """
    entries = tuple(_advise(entry) for entry in table.entries)
    is_random = any(entry.fewest < entry.stragglers for entry in table.entries)
    return (_expected(table.policy, entries), *entries) if is_random and table.policy.baselines else entries


def describe_advice(advice: Advice) -> dict[str, Any]:
    """Return a piece of advice as JSON values.

    It has `stragglers` (a count, a range, or `all (policy)`), `deploy`, `is_certain`, `prob_mse` by code, and
    `prob_mse_minus`, the paired differences of the tuned code to the others.
    """
    return {
        "stragglers": advice.count,
        "deploy": advice.best,
        "is_certain": advice.is_certain,
        "prob_mse": {code: to_json(heldout.prob_mse) for code, heldout in advice.heldout.items()},
        "prob_mse_minus": {code: to_json(difference) for code, difference in advice.minus.items()},
    }


def _advise(entry: TunedEntry) -> Advice:
    return _compare(entry.heldout, entry, stragglers=entry.stragglers, fewest=entry.fewest)


def _expected(policy: Policy, entries: Sequence[Advice]) -> Advice:
    advice = _compare(policy.heldout, policy, stragglers=entries[-1].stragglers, fewest=entries[0].fewest)
    return replace(advice, is_expected=True)


def _compare(tuned: Heldout, judged: TunedEntry | Policy, *, stragglers: int, fewest: int) -> Advice:
    """Return the least of a code and of the rivals that were judged beside it."""
    rivals = {name: judged.baselines[name] for name in _COMPARED if name in judged.baselines}
    heldout = {TUNED: tuned} | rivals
    minus = {name: judged.prob_mse_minus[name] for name in rivals}
    best = min(heldout, key=lambda name: heldout[name].prob_mse.mean)
    return Advice(
        stragglers=stragglers,
        fewest=fewest,
        best=best,
        is_certain=_is_certain(best, heldout, minus),
        heldout=heldout,
        minus=minus,
    )


def _is_certain(best: str, heldout: dict[str, Heldout], minus: dict[str, Interval]) -> bool:
    if best == TUNED:
        return all(difference.high < 0 for difference in minus.values())
    others = [name for name in minus if name != best]
    apart = all(heldout[best].prob_mse.high < heldout[name].prob_mse.low for name in others)
    return minus[best].low > 0 and apart
