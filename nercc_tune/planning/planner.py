"""Makes a plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from nercc_tune.planning.candidates import Ground
from nercc_tune.planning.kinds import TableToPlan, kinds_of
from nercc_tune.planning.proving import offer_of
from nercc_tune.planning.search import Seen, search
from nercc_tune.service.plan_goals import Conditions, Goals
from nercc_tune.service.plan_record import Offer, ServicePlan

__all__ = ["Progress", "make_plan"]

Progress = Callable[[int, int, str], None]
"""Called with how many steps are done, of how many, and what is done now."""

_CHOOSING = 10  # steps that choosing and promising are counted as, for each kind


def make_plan(conditions: Conditions, tables: Sequence[TableToPlan] = (), *, progress: Progress) -> ServicePlan:
    """Return the cheapest scheme of each kind that holds the goals, on draws that it was not chosen on.

    The kinds are plain workers, replication, hedging, and the code of each table. Conditions and tables decide all but
    how long it takes.

    Args:
        conditions: The load, the workers and the goals.
        tables: Whose codes may be used; all of one model.
        progress: Called often.

    Raises:
        NerccTuneError: If the slowness cannot be meant, or a table cannot be used.
    """
    began = time.perf_counter()
    ground = Ground(conditions)
    kinds, absent = kinds_of(conditions, tables)
    steps = conditions.trials + _CHOOSING
    seen: list[Seen] = []
    offers: list[Offer] = []
    for number, kind in enumerate(kinds):
        tell = _Steps(progress, first=number * steps, last=(number + 1) * steps, total=len(kinds) * steps)
        seed = int(np.random.SeedSequence([conditions.seed, number]).generate_state(1)[0])
        found = search(kind, ground, seed=seed, tell=tell)
        if all(each.tried is None for each in found):
            most = conditions.most_workers
            absent[kind.name] = f"{most} workers are too slow for {conditions.rate:g} queries a second"
        else:
            offers.append(offer_of([each for each in found if each.tried is not None], ground, tell=tell))
        seen += found
    progress(len(kinds) * steps, len(kinds) * steps, "done")
    return ServicePlan(
        conditions=conditions,
        tables=tuple(table.record for table in tables),
        offers=tuple(sorted(offers, key=lambda offer: _order(offer, conditions.goals))),
        absent=absent,
        tried=tuple(each.tried for each in seen if each.tried is not None),
        seconds=time.perf_counter() - began,
    )


class _Steps:
    """Counts the steps of a kind, of which there may be fewer or more than were foreseen."""

    def __init__(self, progress: Progress, *, first: int, last: int, total: int) -> None:
        self._progress = progress
        self._done = first
        self._last = last
        self._total = total

    def __call__(self, text: str) -> None:
        """Note a step."""
        self._done = min(self._done + 1, self._last)
        self._progress(self._done, self._total, text)


def _order(offer: Offer, goals: Goals) -> tuple[float, ...]:
    """Return what offers are sorted by: those that hold by cost, the others by how near they come."""
    tails_s = {name: interval.high for name, interval in offer.worth.tails_s.items()}
    worst = max(goals.shortfalls(tails_s, offer.worth.agreement.low).values())
    return (0, offer.workers, worst) if offer.holds else (1, worst, offer.workers)
