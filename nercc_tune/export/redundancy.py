"""What every code is worth at several numbers of workers: the tables of a family side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nercc_tune.errors import TableError
from nercc_tune.export.advice import TUNED
from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Heldout, Policy, TunedEntry
from nercc_tune.spec import StragglingSettings

__all__ = ["POLICY", "TUNED", "JudgedAt", "Level", "Redundancy"]

POLICY = "policy"


@dataclass(frozen=True, kw_only=True)
class JudgedAt:
    """What was judged at one N and one number of stragglers.

    Attributes:
        study: The study that judged it.
        count: The straggler count for a reader; `all` where the number is random.
        stragglers: S, or the largest of the range.
        codes: The held-out figures by code: `tuned` (or `policy`, where the number is random) and the baselines.
        label: The design of the tuned code.
    """

    study: str
    queries: int
    workers: int
    count: str
    stragglers: int
    codes: dict[str, Heldout]
    label: str

    @property
    def redundancy(self) -> float:
        """N / K."""
        return self.workers / self.queries

    @classmethod
    def of_entry(cls, table: TunedTable, entry: TunedEntry) -> JudgedAt:
        """Take what was judged for one straggler count, or a range of them."""
        return cls._of(table, entry, count=write_count(entry), codes={TUNED: entry.heldout, **entry.baselines})

    @classmethod
    def of_policy(cls, table: TunedTable) -> JudgedAt:
        """Take what is expected over all counts."""
        policy = table.policy
        return cls._of(table, policy, count="all", codes={POLICY: policy.heldout, **policy.baselines})

    @classmethod
    def _of(cls, table: TunedTable, judged: TunedEntry | Policy, *, count: str, codes: dict[str, Heldout]) -> JudgedAt:
        last = table.entries[-1]
        return cls(
            study=table.study,
            queries=last.queries,
            workers=last.workers,
            count=count,
            stragglers=judged.stragglers if isinstance(judged, TunedEntry) else last.stragglers,
            codes=codes,
            label=judged.design.label,
        )


@dataclass(frozen=True, kw_only=True)
class Level:
    """How much straggles, for all numbers of workers alike.

    Attributes:
        title: For a reader, for example `S = 20 % of N`.
        judged: Ascending in N.
        absent: The numbers of workers at which so many stragglers were not judged.
    """

    title: str
    judged: tuple[JudgedAt, ...]
    absent: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Redundancy:
    """The tables of studies that differ in N alone.

    Attributes:
        name: Of the family, or of the study if it is one.
        tables: Ascending in N.

    Raises:
        TableError: If there is no table, or they differ in more than N.
    """

    name: str
    tables: tuple[TunedTable, ...]

    def __post_init__(self) -> None:
        if not self.tables:
            raise TableError(f"no study of the family `{self.name}` is finished; run `nercc-tune launch` first.")
        first, *others = self.tables
        for other in others:
            if _shared(other) != _shared(first):
                raise TableError(
                    f"`{first.study}` and `{other.study}` differ in more than the number of workers, so that they are "
                    f"no family; launch `{self.name}` again with `--fresh`."
                )

    @classmethod
    def of(cls, name: str, tables: Sequence[TunedTable]) -> Redundancy:
        """Put tables side by side, whatever their order."""
        return cls(name=name, tables=tuple(sorted(tables, key=_workers)))

    @property
    def has_random_count(self) -> bool:
        """Whether the number of stragglers is random, so that nobody can pick a code by it."""
        return StragglingSettings.model_validate(self.tables[0].straggling, strict=False).has_random_count

    @property
    def levels(self) -> tuple[Level, ...]:
        """Every count of stragglers, every share of them, or all together where their number is random.

        The counts that all tables have are compared as such. Where they differ with N, those of the largest N give the
        shares, and of every other N the count belongs to a share that is the nearest to it, if it is within one.
        """
        if self.has_random_count:
            return (Level(title="a random S", judged=tuple(map(JudgedAt.of_policy, self.tables))),)
        counts = [tuple(entry.stragglers for entry in table.entries) for table in self.tables]
        if len(set(counts)) == 1:
            return tuple(self._nearest(f"S = {count}", [count] * len(counts)) for count in counts[0])
        most = _workers(self.tables[-1])
        return tuple(
            self._nearest(
                f"S = {100 * count / most:.3g} % of N", [count * _workers(table) / most for table in self.tables]
            )
            for count in counts[-1]
        )

    @property
    def workers(self) -> tuple[int, ...]:
        """The numbers N of workers."""
        return tuple(map(_workers, self.tables))

    def at_least(self, wanted: Sequence[int], *, title: str) -> Level:
        """Return what was judged at the least count that is not below a wanted one, for each table that has one.

        Raises:
            TableError: If no table has such a count, or the number of stragglers is random.
        """
        if self.has_random_count:
            raise TableError(f"in `{self.name}` the number of stragglers is random; leave `--stragglers` out.")
        found = [
            next((entry for entry in table.entries if entry.stragglers >= count), None)
            for table, count in zip(self.tables, wanted, strict=True)
        ]
        if all(entry is None for entry in found):
            known = ", ".join(f"{table.entries[-1].stragglers} of {_workers(table)}" for table in self.tables)
            raise TableError(f"`{self.name}` was judged with at most {known} stragglers; ask for no more.")
        is_exact = all(entry is None or entry.stragglers == count for entry, count in zip(found, wanted, strict=True))
        return self._level(title if is_exact else f"{title}, or the next above that was judged", found)

    def _nearest(self, title: str, wanted: Sequence[float]) -> Level:
        nearest = [
            min(table.entries, key=lambda entry: abs(entry.stragglers - count))
            for table, count in zip(self.tables, wanted, strict=True)
        ]
        are_near = [abs(entry.stragglers - count) <= 1 for entry, count in zip(nearest, wanted, strict=True)]
        return self._level(title, [entry if near else None for entry, near in zip(nearest, are_near, strict=True)])

    def _level(self, title: str, found: Sequence[TunedEntry | None]) -> Level:
        pairs = list(zip(self.tables, found, strict=True))
        return Level(
            title=title,
            judged=tuple(JudgedAt.of_entry(table, entry) for table, entry in pairs if entry is not None),
            absent=tuple(_workers(table) for table, entry in pairs if entry is None),
        )


def _workers(table: TunedTable) -> int:
    return table.entries[0].workers


def _shared(table: TunedTable) -> tuple[object, ...]:
    return table.entries[0].queries, table.workload.fingerprint, table.straggling, table.goal
