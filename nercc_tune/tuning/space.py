"""What Optuna samples for a study, and how it prunes."""

from __future__ import annotations

import warnings

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner, WilcoxonPruner

from nercc_tune.records import SMOOTHNESSES, TrainedKind
from nercc_tune.spec import StudySpec, TrainingSettings
from nercc_tune.tuning.samplers import (
    ASSIGNMENT,
    DECODE_SPACE,
    DECODER,
    LAMBDA_DEC,
    LAMBDA_ENC,
    LEARNING_RATE,
    NODES,
    ORDERING,
    WEIGHT_DECAY,
)

_PRUNER_STARTUP = 4
_WARM_UP_SHARE = 5  # a training that begins slowly may end well
_HALVING = 3
# Of five blocks all must be worse than the best trial's: 2⁻⁵ = 0.03 of p, and four give 0.06.
_WILCOXON_P = 0.1

_KERNEL: dict[str, BaseDistribution] = {
    "smoothness": CategoricalDistribution(SMOOTHNESSES),
    "range": FloatDistribution(0.0, 100.0),
    "nugget": FloatDistribution(0.0, 10.0),
    "temperature": FloatDistribution(0.0, 1000.0),
    "weight": FloatDistribution(0.0, 1.0),
    "ridge": FloatDistribution(0.0, 10.0),
}


def distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """Return the parameters of a study: both λ, those of kernels, and whatever has several choices; or of trainings."""
    search, kind = spec.search, spec.code.trained_kind
    if kind is not None:
        return _of_trainings(spec.training, kind)
    ranges = {LAMBDA_ENC: search.lambda_enc, LAMBDA_DEC: search.lambda_dec}
    choices = {
        ORDERING: search.orderings,
        NODES: tuple(dict.fromkeys(encoding.nodes for encoding in spec.encodings)),
        ASSIGNMENT: search.assignments,
        DECODE_SPACE: search.decode_spaces,
        DECODER: search.decoders if "spline" in search.decoders else ("spline", *search.decoders),  # of (0, 0)
    }
    found: dict[str, BaseDistribution] = {
        name: FloatDistribution(span.low, span.high, log=True) for name, span in ranges.items()
    }
    if {"kriging", "calibrated"} & set(search.decoders):
        found |= _KERNEL
    return found | {name: CategoricalDistribution(listed) for name, listed in choices.items() if len(listed) > 1}


def _of_trainings(training: TrainingSettings, kind: TrainedKind) -> dict[str, BaseDistribution]:
    ranges = {LEARNING_RATE: training.learning_rate, WEIGHT_DECAY: training.weight_decay}
    found: dict[str, BaseDistribution] = {
        name: FloatDistribution(span.low, span.high, log=True) for name, span in ranges.items()
    }
    choices = training.choices(kind)
    return found | {name: CategoricalDistribution(listed) for name, listed in choices.items() if len(listed) > 1}


def pruner(spec: StudySpec) -> BasePruner:
    """Return the pruner of a study: of trainings, which differ in length, it looks at the epochs."""
    if spec.search.pruner == "median":
        warm_up = 0 if spec.code.trained_kind is None else min(spec.training.epochs) // _WARM_UP_SHARE
        return MedianPruner(n_startup_trials=_PRUNER_STARTUP, n_warmup_steps=warm_up)
    if spec.search.pruner == "halving":
        least = max(1, min(spec.training.epochs) // _HALVING**2)
        return SuccessiveHalvingPruner(min_resource=least, reduction_factor=_HALVING)
    if spec.search.pruner == "wilcoxon":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # stated in the README
            return WilcoxonPruner(p_threshold=_WILCOXON_P)
    return NopPruner()
