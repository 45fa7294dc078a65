"""Looks among the schemes of a kind for cheap ones that hold the goals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.study import StudyDirection

from nercc_tune.planning.candidates import Candidate, Draws, Ground, Stage
from nercc_tune.planning.kinds import SIZE, Kind, Value
from nercc_tune.service.plan_record import Tried
from nercc_tune.service.scheme_settings import SchemeSettings

__all__ = ["Seen", "least_size", "search"]

_AROUND = (0.6, 1.25)  # of the least size that holds with obvious settings: where Optuna looks
_STEP = 1.25  # from a size that does not hold to the next one
_MOST_REPEATED = 5  # proposals in a row that were tried before
_RANDOM = 5  # trials before Optuna's model has a say, the obvious ones among them
_DRAWS = Draws(stage=Stage.SEARCH)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A candidate with what the search saw of it.

    Attributes:
        candidate: Which.
        shortfalls: By how much each goal is missed, as of `Goals`; `workers` where they are too many or too slow.
        tried: What was simulated; None where no simulation was needed to see that it cannot hold.
    """

    candidate: Candidate
    shortfalls: Mapping[str, float]
    tried: Tried | None

    @property
    def worst(self) -> float:
        """The greatest shortfall; at most 0 where all goals are held."""
        return max(self.shortfalls.values())


def search(kind: Kind, ground: Ground, *, seed: int, tell: Callable[[str], None]) -> tuple[Seen, ...]:
    """Return what was seen of the candidates of a kind, all on the same draws.

    The obvious settings come first, and for each of them the least size that holds, as far as the least of all so far.
    Then Optuna varies everything around that size, after it was told of them. It has several objectives, the workers,
    the tail in shares of its limit and where something is decoded the expected error, and the goals as constraints, so
    that it follows the front of those that hold.

    Args:
        kind: What to choose from.
        ground: What simulates.
        seed: Decides what Optuna proposes.
        tell: Called with a line for each trial.

    Raises:
        NerccTuneError: If a table cannot be used.
    """
    found = _Search(kind, ground, tell)
    for settings in kind.obvious:
        found.find_size(settings)
    found.vary(seed)
    return tuple(found.seen.values())


def least_size(holds: Callable[[int], bool], *, low: int, high: int) -> int | None:
    """Return the least size in (low, high] that holds as far as a few looks tell; None where none of them does.

    Sizes are tried upwards in steps of a quarter, since more workers are not always better: where some are slow all the
    time, more of these are idle and get queries. From the first that holds it is bisected to the last that did not.
    """
    size = low
    while size < high:
        size, failed = min(high, max(size + 1, math.ceil(_STEP * size))), size
        if holds(size):
            while size - failed > 1:
                middle = (failed + size) // 2
                failed, size = (failed, middle) if holds(middle) else (middle, size)
            return size
    return None


class _Search:
    def __init__(self, kind: Kind, ground: Ground, tell: Callable[[str], None]) -> None:
        self.seen: dict[SchemeSettings, Seen] = {}
        self._kind = kind
        self._ground = ground
        self._tell = tell
        self._best: int | None = None  # the least size that holds

    def look(self, chosen: Mapping[str, Value]) -> Seen:
        """Simulate what was chosen, unless it was before."""
        settings = self._kind.settings(chosen)
        if settings not in self.seen:
            self.seen[settings] = seen = self._look(Candidate.of(self._kind, dict(chosen)))
            self._tell(f"{self._kind.name}: {seen.candidate.workers} workers")
            if seen.worst <= 0:
                self._best = min(int(chosen[SIZE]), self._best or self._kind.largest)
        return self.seen[settings]

    def find_size(self, settings: Mapping[str, Value]) -> None:
        """Find the least size at which settings hold, if that is not beyond the least of all so far."""

        def holds(size: int) -> bool:
            return self.look({**settings, SIZE: size}).worst <= 0

        least_size(holds, low=0, high=self._best or self._kind.largest)

    def vary(self, seed: int) -> None:
        """Let Optuna choose for as many trials as are left."""
        center, largest = self._best or self._kind.largest, self._kind.largest
        below, above = _AROUND
        sizes = IntDistribution(max(1, math.floor(below * center)), min(largest, math.ceil(above * center)))
        space: dict[str, BaseDistribution] = {**self._kind.space, SIZE: sizes}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = TPESampler(seed=seed, n_startup_trials=_RANDOM)
        directions = [StudyDirection.MINIMIZE] * (2 if self._kind.table is None else 3)
        study = optuna.create_study(directions=directions, sampler=sampler)
        known = [seen.candidate.chosen for seen in self.seen.values()]
        for chosen in known:
            if sizes.low <= int(chosen[SIZE]) <= sizes.high:
                study.enqueue_trial(dict(chosen))
                self._one_trial(study, space)
        repeated = 0
        while len(self.seen) < self._ground.conditions.trials and repeated < _MOST_REPEATED:
            before = len(self.seen)
            self._one_trial(study, space)
            repeated = 0 if len(self.seen) > before else repeated + 1

    def _one_trial(self, study: optuna.Study, space: dict[str, BaseDistribution]) -> None:
        trial = study.ask(space)
        seen = self.look(trial.params)
        for name, shortfall in seen.shortfalls.items():
            trial.set_constraint(name, shortfall)
        limits = self._ground.conditions.goals.limits_s
        tail = 1 + max(seen.shortfalls.get(name, seen.worst) for name in limits)
        error = [] if self._kind.table is None else [1.0 if seen.tried is None else 1 - seen.tried.agreement]
        study.tell(trial, [seen.candidate.workers, tail, *error])

    def _look(self, candidate: Candidate) -> Seen:
        ground, most = self._ground, self._ground.conditions.most_workers
        if candidate.workers > most:
            return Seen(candidate=candidate, shortfalls={"workers": candidate.workers / most - 1}, tried=None)
        over = ground.overload(candidate, _DRAWS)
        if over > 1:
            # The queue grows at the rate of what is too much; at the end of the run its latency is this many limits.
            length_s = ground.conditions.queries / ground.conditions.rate
            limits = min(ground.conditions.goals.limits_s.values())
            return Seen(
                candidate=candidate, shortfalls={"workers": (1 - 1 / over) * np.ceil(length_s / limits)}, tried=None
            )
        measured, is_cut = ground.run_unless_hopeless(candidate, _DRAWS)
        tried = candidate.as_tried(measured, is_cut=is_cut)
        shortfalls = ground.conditions.goals.shortfalls(tried.tails_s, tried.agreement)
        return Seen(candidate=candidate, shortfalls=shortfalls, tried=tried)
