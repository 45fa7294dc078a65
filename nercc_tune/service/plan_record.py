"""A plan as a file: what to serve, what it promises, and what else was tried."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nercc_tune.errors import ServiceError
from nercc_tune.records import Interval, Strict, from_json, to_json
from nercc_tune.service.plan_goals import TAILS, Conditions
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.service.summary import TailSummary
from nercc_tune.text.one_line import one_line

__all__ = ["PLAN_SCHEMA", "Offer", "PlannedTable", "ServicePlan", "Tried", "Worth", "is_plan", "read_plan"]

PLAN_SCHEMA = "nercc-tune/plan/1"
"""Name of the file's format; a change that breaks readers changes the number."""
_ANY_SCHEMA = PLAN_SCHEMA.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True)
class PlannedTable(Strict):
    """Which table a scheme is for.

    Attributes:
        study: Its study.
        digest: Of its content.
        path: Its file, beside which lies what its codes need.
    """

    study: str
    digest: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Worth(Strict):
    """What a scheme does on draws that it was not chosen on.

    Attributes:
        tails_s: Percentiles of the latency by names of `TAILS`, in seconds. The interval is one in which a fresh
            stretch of as many queries has its percentile with 95 %; it holds those of all that were simulated.
        agreement: How many answers are what the model says without coding: own answers and copies always, decoded ones
            as often as on the table's held-out queries. The interval is such a one around the table's own.
        means: Means over the repeats, with the intervals of means.

    Raises:
        ValueError: If a tail is missing.
    """

    tails_s: dict[str, Interval]
    agreement: Interval
    means: TailSummary

    def __post_init__(self) -> None:
        if set(self.tails_s) != set(TAILS):
            raise ValueError(f"`tails_s` must hold {', '.join(TAILS)}, but got {', '.join(self.tails_s)}.")


@dataclass(frozen=True, kw_only=True)
class Offer(Strict):
    """The best that was found of a kind of scheme.

    Attributes:
        kind: Its name: `plain`, `replication`, `hedging`, or `coded` or `parity` with the study of the table.
        settings: To serve it.
        table: Whose codes it uses; None for the plain kinds.
        workers: How many it takes.
        worth: What it promises.
        missed: The goals that it does not surely hold: names of `TAILS`, and `agreement`.
    """

    kind: str
    settings: SchemeSettings
    table: PlannedTable | None
    workers: int
    worth: Worth
    missed: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether all goals are held by the bounds of their intervals, and were in every repeat."""
        return not self.missed


@dataclass(frozen=True, kw_only=True)
class Tried(Strict):
    """What a simulation of the search saw.

    Attributes:
        kind: As of an `Offer`.
        settings: What was simulated.
        workers: How many it takes.
        tails_s: By names of `TAILS`.
        agreement: Expected.
        worker_s: Worker-seconds per query.
        is_cut: Whether it was given up early, since it could not hold any more.
    """

    kind: str
    settings: SchemeSettings
    workers: int
    tails_s: dict[str, float]
    agreement: float
    worker_s: float
    is_cut: bool


@dataclass(frozen=True, kw_only=True)
class ServicePlan(Strict):
    """How many workers, which code and which waiting rule hold goals at the least cost.

    Attributes:
        conditions: What it is for.
        tables: All that were given; the plain kinds serve the model of the first.
        offers: The best of each kind: those that hold first, by cost, then by how near they come.
        absent: Why there is no offer of a kind, by its name.
        tried: All that the search simulated.
        seconds: How long it took.
    """

    conditions: Conditions
    tables: tuple[PlannedTable, ...]
    offers: tuple[Offer, ...]
    absent: dict[str, str]
    tried: tuple[Tried, ...]
    seconds: float

    @property
    def chosen(self) -> Offer | None:
        """The cheapest that holds all goals; None where nothing does."""
        return self.offers[0] if self.offers and self.offers[0].holds else None

    @property
    def target(self) -> tuple[PlannedTable, SchemeSettings]:
        """What to serve: a table, for its model and codes, and the scheme.

        Raises:
            ServiceError: If nothing holds the goals, or the plan was made without a table.
        """
        if self.chosen is None:
            raise ServiceError("nothing that was planned holds the goals; plan again with other goals or more workers.")
        table = self.chosen.table or (self.tables[0] if self.tables else None)
        if table is None:
            raise ServiceError("the plan was made without a table, which says the model; plan again with a study.")
        return table, self.chosen.settings

    def to_json(self) -> str:
        """Return the content of the file."""
        return json.dumps({"schema": PLAN_SCHEMA, **to_json(self)}, ensure_ascii=False, allow_nan=False) + "\n"


def is_plan(path: Path) -> bool:
    """Return whether a file says that it is a plan, of whatever version."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(values, dict) and str(values.get("schema")).startswith(_ANY_SCHEMA)


def read_plan(path: Path) -> ServicePlan:
    """Read the file of a plan.

    Raises:
        ServiceError: If it cannot be read, or is something else.
    """
    try:
        values = json.loads(path.read_bytes())
        schema = values.pop("schema", None) if isinstance(values, dict) else None
        if schema != PLAN_SCHEMA:
            raise ValueError(f"its schema is {one_line(schema)}, not {PLAN_SCHEMA}")  # noqa: TRY301 - one sentence for all
        return from_json(ServicePlan, values)
    except (OSError, ValueError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ServiceError(
            f"`{one_line(path)}` is no plan of this version's `plan` ({one_line(what)}); make one with -o."
        ) from error
