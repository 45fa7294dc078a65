"""The kinds of schemes that a plan chooses from: what can be set of each, and what is obvious to try."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import nn

from nercc_tune.errors import ServiceError
from nercc_tune.planning.expected_agreement import ExpectedAgreement
from nercc_tune.service.plan_goals import Conditions
from nercc_tune.service.plan_record import PlannedTable
from nercc_tune.service.rivals import rival
from nercc_tune.service.scheme import Hedge, Scheme
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.service.schemes import hedged, plain, replicated
from nercc_tune.serving import ServedTable

__all__ = ["SIZE", "Kind", "TableToPlan", "Value", "kinds_of"]

Value = int | float | str

SIZE = "size"
"""The parameter that every kind has, and that more of costs more: what it counts is the kind's."""

_QUANTILES = (0.5, 0.99)
_BUDGETS = (0.02, 1.0)
_SHORTEST_WAIT = 0.1  # of the time in which a group's queries come
_OBVIOUS_WAIT = 1.5  # of it: most groups are full then
_PARITY_SHARES = (0.5, 2.0)  # of as many parity workers as there are workers for each query of a group


@dataclass(frozen=True, kw_only=True, eq=False)
class TableToPlan:
    """A table that may be served.

    Attributes:
        served: With what its codes need.
        record: How the plan names it.
    """

    served: ServedTable
    record: PlannedTable

    @classmethod
    def of(cls, served: ServedTable, path: Path) -> TableToPlan:
        """Return a table that lies in a file, with what its codes need beside it."""
        table = served.table
        record = PlannedTable(study=table.study, digest=table.digest, path=str(path.absolute()))
        return cls(served=served, record=record)


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """A kind of scheme.

    Attributes:
        name: As of an `Offer`.
        largest: The greatest size within the bound on workers.
        space: What Optuna may choose beside the size.
        obvious: What is tried first, at all sizes that matter.
        settings: Makes settings of a size and what was chosen.
        table: Whose codes it uses; None for the plain kinds.
    """

    name: str
    largest: int
    space: Mapping[str, BaseDistribution]
    obvious: Sequence[Mapping[str, Value]]
    settings: Callable[[Mapping[str, Value]], SchemeSettings]
    table: TableToPlan | None = None

    def scheme(self, settings: SchemeSettings) -> Scheme:
        """Return the scheme that a service runs with such settings."""
        if self.table is not None:
            return rival(settings, self.table.served, nn.Identity()).scheme
        workers = settings.workers or 1
        if settings.name == "hedging":
            return hedged(workers, hedge=settings.hedge)
        return plain(workers) if settings.name == "equal-resources" else replicated(workers, copies=settings.copies)

    def agreement(self, scheme: Scheme) -> ExpectedAgreement | None:
        """Return how often its decoded answers agree; None where nothing is decoded."""
        if self.table is None:
            return None
        return ExpectedAgreement.of(self.table.served.table, scheme.bears, gives_own=scheme.gives_own)


def kinds_of(conditions: Conditions, tables: Sequence[TableToPlan]) -> tuple[tuple[Kind, ...], dict[str, str]]:
    """Return what there is to choose from, and why some of it is not within the bound on workers.

    Raises:
        ServiceError: If two tables are of one study, or they are of several models.
    """
    _check(tables)
    kinds, absent = [_plain(conditions), _hedging(conditions)], {}
    if conditions.most_workers > 1:
        kinds.insert(1, _replication(conditions))
    for table in tables:
        entry, design = table.served.table.entries[0], table.served.table.policy.design
        kind = "coded" if design.training is None else "parity"
        name = f"{kind} {table.record.study}"
        if entry.workers > conditions.most_workers:
            absent[name] = f"its code needs {entry.workers} workers, and there may be {conditions.most_workers}"
        else:
            kinds.append(_coded(name, table, conditions) if kind == "coded" else _parity(name, table, conditions))
    return tuple(kinds), absent


def _check(tables: Sequence[TableToPlan]) -> None:
    names = [table.record.study for table in tables]
    if len(set(names)) < len(names):
        raise ServiceError(f"each study may be given once, but got {', '.join(names)}.")
    models = {table.served.table.workload.fingerprint for table in tables}
    if len(models) > 1:
        raise ServiceError(
            f"the tables must be of one model and data set, but {', '.join(names)} are of {len(models)}; plan each."
        )


def _plain(conditions: Conditions) -> Kind:
    return Kind(
        name="plain",
        largest=conditions.most_workers,
        space={},
        obvious=({},),
        settings=lambda chosen: SchemeSettings(name="equal-resources", workers=int(chosen[SIZE])),
    )


def _replication(conditions: Conditions) -> Kind:
    copies = [count for count in (2, 3) if count <= conditions.most_workers]

    def settings(chosen: Mapping[str, Value]) -> SchemeSettings:
        copies = int(chosen["copies"])
        return SchemeSettings(name="replication", workers=max(copies, int(chosen[SIZE])), copies=copies)

    return Kind(
        name="replication",
        largest=conditions.most_workers,
        space={"copies": CategoricalDistribution(copies)},
        obvious=[{"copies": count} for count in copies],
        settings=settings,
    )


def _hedging(conditions: Conditions) -> Kind:
    def settings(chosen: Mapping[str, Value]) -> SchemeSettings:
        hedge = Hedge(quantile=_rounded(chosen["quantile"]), budget=_rounded(chosen["budget"]))
        return SchemeSettings(name="hedging", workers=int(chosen[SIZE]), hedge=hedge)

    return Kind(
        name="hedging",
        largest=conditions.most_workers,
        space={
            "quantile": FloatDistribution(*_QUANTILES, step=0.01),
            "budget": FloatDistribution(*_BUDGETS, step=0.02),
        },
        obvious=[{"quantile": 0.95, "budget": 0.06}, {"quantile": 0.8, "budget": 0.3}],
        settings=settings,
    )


def _coded(name: str, table: TableToPlan, conditions: Conditions) -> Kind:
    tuned = table.served.table
    entry, counts = tuned.entries[0], sorted(each.stragglers for each in tuned.policy.entries)
    workers, fewest = entry.workers, entry.workers - counts[-1]
    limit = conditions.goals.limits_s[conditions.goals.tail]
    wait, waits = _waits(conditions, entry.queries)

    def settings(chosen: Mapping[str, Value]) -> SchemeSettings:
        is_timed = chosen["rule"] == "deadline"
        return SchemeSettings(
            name="coded",
            workers=workers * int(chosen[SIZE]),
            answers=int(chosen["answers"]),
            deadline_s=_rounded(chosen["deadline_s"]) if is_timed else None,
            max_wait_s=_rounded(chosen["max_wait_s"]),
        )

    common: dict[str, Value] = {"max_wait_s": wait, "deadline_s": (conditions.service_s + limit) / 2}
    few = dict.fromkeys((counts[-1], counts[len(counts) // 2], counts[0]))
    by_answers = [{**common, "rule": "answers", "answers": workers - count} for count in few]
    return Kind(
        name=name,
        largest=conditions.most_workers // workers,
        space={
            "rule": CategoricalDistribution(["answers", "deadline"]),
            "answers": IntDistribution(fewest, workers),
            "deadline_s": FloatDistribution(conditions.service_s, limit, log=True),
            "max_wait_s": waits,
        },
        obvious=[*by_answers, {**common, "rule": "deadline", "answers": workers}],
        settings=settings,
        table=table,
    )


def _parity(name: str, table: TableToPlan, conditions: Conditions) -> Kind:
    entry = table.served.table.entries[0]
    queries, parities = entry.queries, entry.workers - entry.queries
    wait, waits = _waits(conditions, queries)

    def settings(chosen: Mapping[str, Value]) -> SchemeSettings:
        size = int(chosen[SIZE])
        each = math.ceil(size / queries * float(chosen["parity_share"]))
        return SchemeSettings(
            name="parity",
            workers=size + parities * each,
            parity_workers=each,
            max_wait_s=_rounded(chosen["max_wait_s"]),
        )

    return Kind(
        name=name,
        largest=conditions.most_workers * queries // (queries + parities),
        space={"parity_share": FloatDistribution(*_PARITY_SHARES, step=0.1), "max_wait_s": waits},
        obvious=[{"parity_share": 1.0, "max_wait_s": wait}],
        settings=settings,
        table=table,
    )


def _waits(conditions: Conditions, queries: int) -> tuple[float, FloatDistribution]:
    """Return an obvious time to wait for a group, and between which times to look."""
    limit = conditions.goals.limits_s[conditions.goals.tail]
    coming = min(queries / conditions.rate, limit)
    shortest = _SHORTEST_WAIT * coming
    return min(_OBVIOUS_WAIT * coming, limit / 2), FloatDistribution(shortest, limit, log=True)


def _rounded(value: Value) -> float:
    """Return a number without digits that mean nothing."""
    return float(f"{float(value):.3g}")
