"""Which λ to try next: Optuna's samplers, wrapped so that some parameters can be given instead of sampled."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from nercc_tune.spec import StudySpec

LAMBDA_ENC = "lambda_enc"
LAMBDA_DEC = "lambda_dec"
ORDERING = "ordering"
NODES = "nodes"
ASSIGNMENT = "assignment"
DECODE_SPACE = "decode_space"
DECODER = "decoder"
KERNEL = ("smoothness", "range", "nugget", "temperature", "weight", "ridge")
"""Parameters of a decoder that is no spline; what a kind does not have is no parameter of its trials."""

LEARNING_RATE = "learning_rate"
WEIGHT_DECAY = "weight_decay"

Value = float | str | int

_DESIGN_POINTS = 8
# Steps of the R2 sequence, whose points fill a square evenly however many are taken: powers of the inverse plastic
# number, the root of x³ = x + 1. The first step alone fills an interval.
_PLASTIC = 1.324717957244746
_R_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)


class GivenSampler(BaseSampler):
    """Samples with another sampler, except for the parameters that are given.

    With strategy `profile`, λ_dec or kernel and the reading are given once the best of them were found on the
    outputs of the sampled encoder, and the wrapped sampler sees a study in what decides the encoder alone.
    """

    def __init__(self, inner: BaseSampler, *, searched: Sequence[str], given: Mapping[str, Value]) -> None:
        self._inner = inner
        self._searched = searched
        self.given: dict[str, Value] = dict(given)

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = self._inner.infer_relative_search_space(study, trial)
        return {name: space[name] for name in space if name in self._searched and name not in self.given}

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space) if search_space else {}

    @override
    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Value:
        if param_name in self.given:
            return self.given[param_name]
        value: Value = self._inner.sample_independent(study, trial, param_name, param_distribution)
        return value

    @override
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    @override
    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._inner.after_trial(study, trial, state, values)

    @override
    def reseed_rng(self) -> None:
        self._inner.reseed_rng()


class SteadyCmaEsSampler(CmaEsSampler):
    """CMA-ES whose draws do not depend on the trial's number, which Optuna adds to the seed.

    An interrupted trial uses up a number; the search that goes on must draw as if it had not.
    """

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        unnumbered = copy.copy(trial)
        unnumbered.number = 0
        return super().sample_relative(study, unnumbered, search_space)


def sampler_for(spec: StudySpec, turn: int) -> GivenSampler:
    """Return the sampler of the proposal in a turn, counted from 0.

    It is made anew for each one, with a seed from the study's seed and the turn: a study that was interrupted goes on
    exactly as if it had not been, and no resumed study repeats a point.
    """
    search, kind = spec.search, spec.code.trained_kind
    seed = int(np.random.SeedSequence([search.seed, turn]).generate_state(1)[0])
    if kind is not None:
        return GivenSampler(
            _SAMPLERS[search.sampler](seed),
            searched=[LEARNING_RATE, WEIGHT_DECAY, *spec.training.choices(kind)],
            given={},
        )
    searched = [LAMBDA_ENC, ORDERING, NODES]
    searched += [LAMBDA_DEC, ASSIGNMENT, DECODE_SPACE] if search.strategy == "joint" else []
    return GivenSampler(_SAMPLERS[search.sampler](seed), searched=searched, given=_designed(spec, turn))


def turns_at_most(spec: StudySpec) -> int:
    """Return how many turns there are: for `grid`, the largest regular grid within `trials`.

    Of a trained code `trials` counts the trainings that are given, too: each costs as much as another.
    """
    if spec.code.trained_kind is not None:
        return max(0, spec.search.trials - len(spec.encodings))
    return _grid_turns(spec) if spec.search.sampler == "grid" else spec.search.trials


def _grid_turns(spec: StudySpec) -> int:
    axes = 2 if spec.search.strategy == "joint" else 1
    return _combinations(spec) * int(_per_side(spec) ** axes)


def _per_side(spec: StudySpec) -> int:
    each = max(1, spec.search.trials // _combinations(spec))
    return math.isqrt(each) if spec.search.strategy == "joint" else each


def _combinations(spec: StudySpec) -> int:
    readings = len(spec.readings) if spec.search.strategy == "joint" else 1
    return len(spec.encodings) * readings


_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=0),
    "gp": lambda seed: GPSampler(seed=seed, n_startup_trials=0),
    "cmaes": lambda seed: SteadyCmaEsSampler(seed=seed, n_startup_trials=1),
    "random": lambda seed: RandomSampler(seed=seed),
    "grid": lambda seed: RandomSampler(seed=seed),
}


def _designed(spec: StudySpec, turn: int) -> dict[str, Value]:
    """Return the parameters that the design fixes: all of them for `grid`, the first few for `tpe` and `gp`.

    Layouts and readings take turns, while the λ fill their ranges evenly.
    """
    search = spec.search
    joint = search.strategy == "joint"
    names = (LAMBDA_ENC, LAMBDA_DEC) if joint else (LAMBDA_ENC,)
    combination, point = turn % _combinations(spec), turn
    if search.sampler == "grid":
        per_side = _per_side(spec)
        cells = np.unravel_index(turn // _combinations(spec), (per_side,) * len(names))
        shares = [int(cell) / max(per_side - 1, 1) for cell in cells]
    elif search.sampler in ("tpe", "gp") and turn < max(_DESIGN_POINTS, len(spec.encodings)):
        shares = [(0.5 + step * point) % 1.0 for step in _R_STEPS[: len(names)]]
    else:
        return {}
    ranges = {LAMBDA_ENC: search.lambda_enc, LAMBDA_DEC: search.lambda_dec}
    given: dict[str, Value] = {
        name: min(float(ranges[name].low * (ranges[name].high / ranges[name].low) ** share), ranges[name].high)
        for name, share in zip(names, shares, strict=True)
    }
    encoding = spec.encodings[combination % len(spec.encodings)]
    given |= {ORDERING: encoding.ordering, NODES: encoding.nodes}
    if joint:
        assignment, space, _ = spec.readings[combination // len(spec.encodings)]
        given |= {ASSIGNMENT: assignment, DECODE_SPACE: space}
    return given
