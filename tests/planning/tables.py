"""A small table to plan with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nercc_tune.export.table import TunedTable
from nercc_tune.planning.kinds import TableToPlan
from nercc_tune.records import Design, Interval
from nercc_tune.service.plan_goals import Conditions, Goals
from nercc_tune.serving import ServedTable
from tests.builders import tuned_table

__all__ = ["AGREEMENTS", "conditions", "silent", "small_table", "to_plan"]

AGREEMENTS = {1: 0.995, 2: 0.98, 4: 0.9}
_HALF_WIDTH = 0.002


def small_table() -> TunedTable:
    """Return a table of 4 queries on 12 workers, two of them on each query, tuned for 1, 2 or 4 stragglers."""
    table = tuned_table(stragglers=tuple(AGREEMENTS))
    entries = tuple(replace(entry, queries=4, workers=12) for entry in table.entries)
    read = []
    for entry in table.policy.entries:
        mean = AGREEMENTS[entry.stragglers]
        share = Interval(mean=mean, low=mean - _HALF_WIDTH, high=mean + _HALF_WIDTH)
        read.append(replace(entry, heldout=replace(entry.heldout, agreement=share)))
    policy = replace(table.policy, design=Design(nodes="copies-2"), lambda_enc=0.0, entries=tuple(read))
    return replace(table, entries=entries, policy=policy)


def to_plan(table: TunedTable | None = None) -> TableToPlan:
    return TableToPlan.of(ServedTable(table or small_table()), Path("table.json"))


def conditions(**changed: object) -> Conditions:
    """Return conditions under which a plan takes a second."""
    usual = Conditions(
        rate=150.0,
        service_s=0.02,
        slowness="law:shifted-exponential,shift=0.5,rate=2",
        goals=Goals(p99_s=0.08),
        most_workers=24,
        queries=600,
        trials=6,
        repeats=3,
    )
    return replace(usual, **changed)  # type: ignore[arg-type]  # of any fields


def silent(*_: object) -> None:
    """Tell nobody."""
