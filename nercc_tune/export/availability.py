"""The cell of a table at which codes are compared by how often they are right where workers are late."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.records import BASELINES, RIVALS, Availability

__all__ = ["AvailabilityAt", "compare_availability"]

_BASELINES = dict.fromkeys((*BASELINES, *RIVALS))


@dataclass(frozen=True, kw_only=True)
class AvailabilityAt:
    """What the codes of one cell are worth.

    Attributes:
        count: The straggler count for a reader.
        codes: By name, `tuned` and `policy` first; those that degrade no query in the cell have no A_d.
    """

    count: str
    codes: dict[str, Availability]


def compare_availability(table: TunedTable) -> AvailabilityAt | None:
    """Return the codes at the least S ≥ 1 at which some query of some code is degraded; None where there is none.

    Few stragglers are the rule, and the case that published codes are made for.
    """
    policy = {entry.stragglers: entry.heldout for entry in table.policy.entries}
    for entry in table.entries:
        judged = {"tuned": entry.heldout, "policy": policy.get(entry.stragglers)}
        judged |= {name: entry.baselines.get(name) for name in _BASELINES}
        found = {name: heldout.availability for name, heldout in judged.items() if heldout is not None}
        codes = {name: availability for name, availability in found.items() if availability is not None}
        if entry.stragglers >= 1 and any(code.degraded for code in codes.values()):
            return AvailabilityAt(count=write_count(entry), codes=codes)
    return None
