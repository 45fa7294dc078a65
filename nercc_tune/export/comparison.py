"""Finished studies of one workload side by side: the codes of all of them at each (K, N, S) that they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nercc_tune.errors import TableError
from nercc_tune.export.advice import TUNED
from nercc_tune.export.blocks import write_count, write_share
from nercc_tune.export.comparable import Judged, check_names, check_straggling, check_workload, has_same_draws
from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    BASELINES,
    CODE_NAMES,
    Availability,
    Heldout,
    Interval,
    Kernel,
    TunedEntry,
)

__all__ = ["COMPARED_SHARES", "ComparedCode", "Comparison", "OverallAt", "Setting", "Standing"]

COMPARED_SHARES = (0.05, 0.1, 0.33)
"""The shares f of late workers at which codes are compared; of `LATE_SHARES`, whose intervals are kept."""

_NO_REPAIR_BUT_THE_MEAN = Kernel(range=0.0)  # what replication is tuned as

Standing = Literal["best", "tie", "behind"]
"""The greatest mean; an interval that overlaps with that one's; or neither."""


@dataclass(frozen=True, kw_only=True)
class OverallAt:
    """An overall accuracy.

    Attributes:
        accuracy: Of a bound: the mean is the least that it can be, and the interval goes on to the most.
        is_bound: Whether no query was degraded, so that the accuracy of those that are may be anything.
    """

    accuracy: Interval
    is_bound: bool = False

    @property
    def text(self) -> str:
        """`0.975 [0.970, 0.980]`, or `≥ 0.975` for a bound."""
        return f"≥ {self.accuracy.mean:.3f}" if self.is_bound else write_share(self.accuracy)

    @classmethod
    def of(cls, availability: Availability, late: float) -> OverallAt | None:
        """Return A_o(f), or what bounds it; None for an f at which it was not kept."""
        kept = availability.overall_at(late)
        if kept is not None:
            return cls(accuracy=kept)
        if availability.degraded is not None:
            return None
        exposure, whole = availability.exposure(late), availability.available
        in_time = 1 - exposure
        ends = Interval(mean=in_time * whole.mean, low=in_time * whole.low, high=in_time * whole.high + exposure)
        return cls(accuracy=ends, is_bound=True)


@dataclass(frozen=True, kw_only=True)
class ComparedCode:
    """One code of a setting.

    Attributes:
        name: For readers, with the study where another code of the setting would be called the same.
        code: `tuned`, or a name of `BASELINES`.
        study: The study that judged it.
        design: What a tuned code is.
    """

    name: str
    code: str
    study: str
    heldout: Heldout
    design: str | None = None

    @property
    def availability(self) -> Availability | None:
        """Its accuracies, where they were measured."""
        return self.heldout.availability

    @property
    def degraded(self) -> Interval | None:
        """A_d."""
        return self.availability.degraded if self.availability is not None else None

    def overall(self, late: float) -> OverallAt | None:
        """Return A_o(f) for an f of `LATE_SHARES`; None where accuracies were not measured."""
        return OverallAt.of(self.availability, late) if self.availability is not None else None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The codes that were judged for the same K, N and S.

    Attributes:
        count: S for a reader, or the range of it.
        codes: The studies' own first, in the order of the studies; then the baselines.
        first: The first study.
        other_draws: Studies that were judged on other groups or masks than the first one, as far as tables can tell:
            what both measured of codes that nothing was tuned of differs, or there is nothing of the kind.
    """

    queries: int
    workers: int
    stragglers: int
    count: str
    codes: tuple[ComparedCode, ...]
    first: str
    other_draws: tuple[str, ...]

    @property
    def title(self) -> str:
        """`K = 2, N = 3, S = 1`."""
        return f"K = {self.queries}, N = {self.workers}, S = {self.count}"

    @property
    def has_accuracies(self) -> bool:
        """Whether some code's accuracy on degraded queries is known."""
        return any(code.degraded is not None for code in self.codes)

    def best(self, late: float) -> ComparedCode | None:
        """Return the code of the greatest A_o(f), by its mean; None where no accuracy on degraded queries is known."""
        found = [(code, code.overall(late)) for code in self.codes]
        known = [(code, overall.accuracy.mean) for code, overall in found if overall is not None]
        return max(known, key=lambda pair: pair[1])[0] if self.has_accuracies and known else None

    def standing(self, code: ComparedCode, late: float) -> Standing | None:
        """Return where a code stands by its A_o(f); None where that, or what is best, is not known."""
        best = self.best(late)
        if best is None or code.overall(late) is None:
            return None
        if best.name == code.name:
            return "best"
        return "tie" if code in self.ties(best, late) else "behind"

    def ties(self, code: ComparedCode, late: float) -> tuple[ComparedCode, ...]:
        """Return the other codes whose interval of A_o(f) overlaps with that of a code."""
        mine = code.overall(late)
        others = [(other, other.overall(late)) for other in self.codes if other.name != code.name]
        return tuple(
            other
            for other, its in others
            if mine is not None and its is not None and _overlap(mine.accuracy, its.accuracy)
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Tables side by side.

    Attributes:
        workload: Of all of them, for readers.
        studies: In the order in which they were given.
        settings: Ascending in K, N and S.
    """

    workload: str
    studies: tuple[str, ...]
    settings: tuple[Setting, ...]

    @classmethod
    def of(cls, tables: Sequence[TunedTable]) -> Comparison:
        """Put tables side by side; a baseline is taken from the first of them that has it.

        Raises:
            TableError: If there is none, or one is given twice; if their workloads differ, or who straggles does where
                K, N and S are the same.
        """
        if not tables:
            raise TableError("there is nothing to compare; name at least one study.")
        for table in tables[1:]:
            check_workload(tables[0], table)
        by_setting: dict[tuple[int, ...], list[Judged]] = {}
        for table in tables:
            for entry in table.entries:
                key = (entry.queries, entry.workers, entry.stragglers, entry.fewest)
                by_setting.setdefault(key, []).append((table, entry))
        return cls(
            workload=f"{tables[0].workload.model} on {tables[0].workload.data}",
            studies=tuple(table.study for table in tables),
            settings=tuple(_put_together(by_setting[key]) for key in sorted(by_setting)),
        )


def _put_together(pairs: Sequence[Judged]) -> Setting:
    first, *others = pairs
    for other in others:
        check_straggling(first, other)
    check_names(pairs)
    entry = first[1]
    return Setting(
        queries=entry.queries,
        workers=entry.workers,
        stragglers=entry.stragglers,
        count=write_count(entry),
        codes=_tell_apart([*map(_tuned, pairs), *_baselines(pairs)], (entry.queries, entry.workers)),
        first=first[0].study,
        other_draws=tuple(table.study for table, judged in others if not has_same_draws(first, (table, judged))),
    )


def _tuned(pair: Judged) -> ComparedCode:
    table, entry = pair
    name = CODE_NAMES[TUNED]
    if entry.design.training is not None:
        name = entry.design.training.label
    elif _is_replication(entry):
        name = CODE_NAMES["replication"]
    return ComparedCode(name=name, code=TUNED, study=table.study, heldout=entry.heldout, design=entry.design.label)


def _is_replication(entry: TunedEntry) -> bool:
    copies = f"copies-{entry.workers // entry.queries}"
    return entry.design.nodes == copies and entry.lambda_enc == 0 and entry.kernel == _NO_REPAIR_BUT_THE_MEAN


def _baselines(pairs: Sequence[Judged]) -> list[ComparedCode]:
    found = {}
    for table, entry in pairs:
        for code in BASELINES:
            if code in entry.baselines and code not in found:
                found[code] = ComparedCode(
                    name=CODE_NAMES[code], code=code, study=table.study, heldout=entry.baselines[code]
                )
    return [found[code] for code in BASELINES if code in found]


def _tell_apart(codes: Sequence[ComparedCode], sizes: tuple[int, int]) -> tuple[ComparedCode, ...]:
    """Add the studies' names to codes of theirs that would be called the same; without K and N, where that will do."""
    names = Counter(code.name for code in codes)
    alike = [code for code in codes if code.code == TUNED and names[code.name] > 1]
    short = Counter((code.name, _without_sizes(code.study, sizes)) for code in alike)

    def named(code: ComparedCode) -> ComparedCode:
        stem = _without_sizes(code.study, sizes)
        study = stem if short[code.name, stem] == 1 else code.study
        return replace(code, name=f"{code.name} ({study})")

    return tuple(named(code) if code in alike else code for code in codes)


def _without_sizes(study: str, sizes: tuple[int, int]) -> str:
    """Return the name of a study without `-K<K>` and `-N<N>`, so that it is the same at other sizes."""
    queries, workers = sizes
    return re.sub(rf"[-_.](?:K{queries}|N{workers})(?![0-9])", "", study)


def _overlap(one: Interval, other: Interval) -> bool:
    return one.low <= other.high and other.low <= one.high
