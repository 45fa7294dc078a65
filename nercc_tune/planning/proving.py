"""Chooses the cheapest that holds on fresh draws, and promises only what further draws say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from nercc_tune.planning.candidates import Candidate, Draws, Ground, Stage
from nercc_tune.planning.kinds import SIZE
from nercc_tune.planning.search import Seen, least_size
from nercc_tune.records import Interval
from nercc_tune.service.measured import Measured
from nercc_tune.service.plan_goals import TAILS
from nercc_tune.service.plan_record import Offer, Worth
from nercc_tune.service.summary import summarise

__all__ = ["foreseen", "offer_of"]

_UPPER_TAIL = 0.975  # of a 95 % interval
_NEARLY = 0.05  # what misses by as little on the search's draws may hold on others
_CHOICE_REPEATS = 8
_MOST_CHOSEN = 6  # candidates of a kind that are simulated again
_MOST_NEAREST = 3  # likewise where none holds
_MOST_ATTEMPTS = 6  # promises that do not hold, before the last is told as it is


def foreseen(values: Sequence[float], *, most: float = math.inf) -> Interval:
    """Return the 95 % interval for one more value of the same kind, mean ± t(R − 1) · s · √(1 + 1/R), within [0, most].

    It is wider by √(R + 1) than the interval of the mean: it says what a user will see once, not on average. It reaches
    at least as far as what was seen, since tails of latencies are skew.

    Raises:
        ValueError: If there are fewer than two values.
    """
    count = len(values)
    if not count >= 2:
        raise ValueError(f"`values` must be at least 2 for an interval, but got {count}.")
    mean = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / count)
    reach = float(special.stdtrit(count - 1, _UPPER_TAIL)) * spread
    return Interval(mean=mean, low=max(0.0, min(mean - reach, *values)), high=min(most, max(mean + reach, *values)))


def offer_of(seen: Sequence[Seen], ground: Ground, *, tell: Callable[[str], None]) -> Offer:
    """Return the cheapest of a kind that holds the goals, or the nearest.

    Candidates that hold or nearly hold on the search's draws are simulated again on fresh ones, cheapest first, until
    one holds; where none does the size of the cheapest grows. What is promised comes from a third set of draws. If it
    does not hold there, the next size is tried on a set of its own: no draw that had a say in the choice is told.

    Args:
        seen: What the search saw of the kind, at least one.
        ground: What simulates.
        tell: Called with a line for each candidate.
    """
    proving = _Proving(ground, tell)
    chosen = proving.choose(sorted(seen, key=lambda each: (each.candidate.workers, each.worst)))
    if chosen is None:
        nearest = sorted(seen, key=lambda each: (each.worst, each.candidate.workers))[:_MOST_NEAREST]
        return min((proving.promise(each.candidate, attempt=0) for each in nearest), key=proving.distance)
    offer = proving.promise(chosen, attempt=0)
    for attempt in range(1, _MOST_ATTEMPTS):
        larger = chosen.larger()
        if offer.holds or larger is None or larger.workers > ground.conditions.most_workers:
            break
        chosen, offer = larger, proving.promise(larger, attempt=attempt)
    return offer


@dataclass(frozen=True, eq=False)
class _Proving:
    ground: Ground
    tell: Callable[[str], None]

    def choose(self, seen: Sequence[Seen]) -> Candidate | None:
        """Return the cheapest that holds on fresh draws; None where none may."""
        nearly = [each for each in seen if each.worst <= _NEARLY]
        for each in nearly[:_MOST_CHOSEN]:
            if self._holds(each.candidate):
                return each.candidate
        return self._grow(nearly[0].candidate) if nearly else None

    def promise(self, candidate: Candidate, *, attempt: int) -> Offer:
        """Return what it does on draws that nobody has seen before this attempt."""
        self.tell(f"{candidate.kind.name}: what {candidate.workers} workers promise")
        repeats = range(self.ground.conditions.repeats)
        draws = [Draws(stage=Stage.PROMISE, attempt=attempt, repeat=repeat) for repeat in repeats]
        runs = [self.ground.run(candidate, each) for each in draws]
        worth = _worth(candidate, runs)
        return Offer(
            kind=candidate.kind.name,
            settings=candidate.settings,
            table=None if candidate.kind.table is None else candidate.kind.table.record,
            workers=candidate.workers,
            worth=worth,
            missed=self._missed(candidate, runs, worth),
        )

    def distance(self, offer: Offer) -> float:
        """Return the greatest shortfall of an offer by the bounds of its intervals."""
        return max(self._by_bounds(offer.worth).values())

    def _holds(self, candidate: Candidate) -> bool:
        """Whether it holds on the draws by which is chosen; it does not as soon as it fails on one of them."""
        self.tell(f"{candidate.kind.name}: {candidate.workers} workers again")
        if candidate.workers > self.ground.conditions.most_workers:
            return False
        runs = []
        for repeat in range(min(_CHOICE_REPEATS, self.ground.conditions.repeats)):
            run, is_cut = self.ground.run_unless_hopeless(candidate, Draws(stage=Stage.CHOICE, repeat=repeat))
            if is_cut or self._missed_in(candidate, run):
                return False
            runs.append(run)
        return not self._missed(candidate, runs, _worth(candidate, runs))

    def _grow(self, candidate: Candidate) -> Candidate | None:
        """Return it at the least greater size that holds on the draws by which is chosen."""

        def at(size: int) -> Candidate:
            return Candidate.of(candidate.kind, {**candidate.chosen, SIZE: size})

        low, high = int(candidate.chosen[SIZE]), candidate.kind.largest
        size = least_size(lambda size: self._holds(at(size)), low=low, high=high)
        return None if size is None else at(size)

    def _missed(self, candidate: Candidate, runs: Sequence[Measured], worth: Worth) -> tuple[str, ...]:
        """Return the goals that some run misses, or the bound of an interval does."""
        by_bounds = self._by_bounds(worth)
        missed = {name for name, shortfall in by_bounds.items() if shortfall > 0}
        missed |= {name for run in runs for name in self._missed_in(candidate, run)}
        return tuple(name for name in by_bounds if name in missed)

    def _by_bounds(self, worth: Worth) -> dict[str, float]:
        bounds = {name: interval.high for name, interval in worth.tails_s.items()}
        return self.ground.conditions.goals.shortfalls(bounds, worth.agreement.low)

    def _missed_in(self, candidate: Candidate, run: Measured) -> set[str]:
        tried = candidate.as_tried(run, is_cut=False)
        shortfalls = self.ground.conditions.goals.shortfalls(tried.tails_s, tried.agreement)
        return {name for name, shortfall in shortfalls.items() if shortfall > 0}


def _worth(candidate: Candidate, runs: Sequence[Measured]) -> Worth:
    tails_s = {name: foreseen([run.percentile_s(percent) for run in runs]) for name, percent in TAILS.items()}
    mean, low, high = (
        foreseen([candidate.agreement(run, bound=bound) for run in runs], most=1.0) for bound in ("mean", "low", "high")
    )
    agreement = Interval(mean=mean.mean, low=low.low, high=high.high)
    return Worth(tails_s=tails_s, agreement=agreement, means=summarise(runs))
