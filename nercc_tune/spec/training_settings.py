"""The section of a study file that says how the networks of a trained code are trained, and what of it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from nercc_tune.records import (
    MIXER_NAMES,
    Augmentation,
    Initialisation,
    Loss,
    MixerName,
    Schedule,
    Target,
    TrainedKind,
    Training,
    TrainingPrecision,
)
from nercc_tune.spec.search_settings import SearchSettings
from nercc_tune.spec.section import Count, LogRange, Section, Seed
from nercc_tune.spec.settings import CodeSettings, WorkloadSettings

CHOICES = {
    "losses": "loss",
    "targets": "target",
    "initialisations": "initialisation",
    "augmentations": "augmentation",
    "schedules": "schedule",
    "batches": "batch",
    "epochs": "epochs",
}
"""The lists of choices, and what each is called in a `Training`, beside `mixers`."""

_PUBLISHED_RATE, _PUBLISHED_DECAY = 1e-3, 1e-5
_OF_PARITIES = ("targets", "initialisations")
_OF_NODES = ("strategy", "orderings", "nodes", "copies", "assignments", "decode_spaces", "decoders")


class TrainingSettings(Section):
    """How networks are trained: what has several choices is searched, the first of each is tried first.

    The first trials, one for each of `mixers`, take the first of all else and the published rates, 0.001 and 0.00001,
    or the nearest within the ranges. `search.trials` counts them too.

    `mixers` is what parity workers are sent: `addition`, `concatenation` or `packed` for `parity`, `mlp` or `conv` for
    `learned`.
    `losses` is what is minimised: `mse` of outputs (of parity networks: of their mix), or of the estimates `kl`, the
    divergence from the base model's distribution, and `cross-entropy` with the labels.
    `targets` is what a parity network learns the mix of: the base model's `outputs`, or `labels`.
    `initialisations` is where a parity network starts: `random`, or from the `base` model's weights.
    `augmentations`: `none`, `shift` or `shift-flip`.
    `schedules` of the learning rate: `cosine`, along which it falls to 0, or `constant`, as published.
    `learning_rate` and `weight_decay` are ranges.
    `batches` is the number of groups in a step, `epochs` the passes over the training queries.
    `patience` ends a training after so many epochs without a better validation accuracy; 0 for never.
    `queries` is how many training queries are used at most, `validation` how many of them are set aside.
    `precision` is `fp32`, or `bf16` for products in bfloat16, with which convolutions are twice as fast on some CPUs.
    `threads` is how many of the CPU's torch uses; small networks gain nothing of more than one.
    `seed` draws weights, groups and shifts.
    """

    mixers: tuple[MixerName, ...] = ()
    losses: tuple[Loss, ...] = ("mse",)
    targets: tuple[Target, ...] = ("outputs",)
    initialisations: tuple[Initialisation, ...] = ("random",)
    augmentations: tuple[Augmentation, ...] = ("none",)
    schedules: tuple[Schedule, ...] = ("cosine",)
    learning_rate: LogRange = LogRange(low=1e-4, high=1e-2)
    weight_decay: LogRange = LogRange(low=1e-6, high=1e-3)
    batches: tuple[Count, ...] = (64,)
    epochs: tuple[Count, ...] = (20,)
    patience: Annotated[int, Field(ge=0, strict=True)] = 0
    queries: Count | None = None
    validation: Count = 5000
    precision: TrainingPrecision = "fp32"
    threads: Count = 1
    seed: Seed = 0

    def mixers_of(self, kind: TrainedKind) -> tuple[MixerName, ...]:
        """Return what parity workers may be sent: by default what was published first."""
        return self.mixers or MIXER_NAMES[kind][:1]

    def choices(self, kind: TrainedKind) -> dict[str, tuple[str | int, ...]]:
        """Return what may be chosen of a training, by its name in a `Training`."""
        return {"mixer": self.mixers_of(kind)} | {name: getattr(self, listed) for listed, name in CHOICES.items()}

    def first(self, kind: TrainedKind) -> tuple[Training, ...]:
        """Return the trainings that are tried first, one for each mixer."""
        values: dict[str, Any] = {name: listed[0] for name, listed in self.choices(kind).items()}
        values["learning_rate"] = self.learning_rate.nearest(_PUBLISHED_RATE)
        values["weight_decay"] = self.weight_decay.nearest(_PUBLISHED_DECAY)
        return tuple(self.training(kind, values | {"mixer": mixer}) for mixer in self.mixers_of(kind))

    def training(self, kind: TrainedKind, values: Mapping[str, Any]) -> Training:
        """Return a training with chosen values of all that is searched."""
        return Training(kind=kind, patience=self.patience, seed=self.seed, precision=self.precision, **values)

    @model_validator(mode="after")
    def _choices_fit(self) -> TrainingSettings:
        for name in ("mixers", *CHOICES):
            listed = getattr(self, name)
            if len(set(listed)) != len(listed):
                raise ValueError(f"`{name}` must not repeat a choice, but got {list(listed)}.")
            if not listed and name != "mixers":
                raise ValueError(f"`{name}` must list at least one choice.")
        return self


def check_training(
    workload: WorkloadSettings, code: CodeSettings, search: SearchSettings, training: TrainingSettings
) -> None:
    """Refuse sections of a study file that do not fit its kind of code.

    Raises:
        ValueError: If a trained code is given what only nodes have, or any other one a training.
    """
    kind = code.trained_kind
    if kind is None:
        if training != TrainingSettings():
            raise ValueError(
                "the section `training` needs `code.kind` of parity or learned, whose networks are trained."
            )
        if search.pruner == "halving":
            raise ValueError('pruner = "halving" stops trainings, of which kind = "nercc" has none; use "median".')
        return
    _check_search(kind, search)
    if workload.outputs != "logits":
        raise ValueError(
            f"kind = {kind!r} needs a model that gives logits, of which sums are formed, but got "
            f"`workload.outputs` of {workload.outputs!r}."
        )
    for name in _OF_PARITIES if kind == "learned" else ():
        if getattr(training, name) != TrainingSettings.model_fields[name].default:
            raise ValueError(f"`training.{name}` must be left out for kind = {kind!r}, which has no parity networks.")
    wrong = [mixer for mixer in training.mixers if mixer not in MIXER_NAMES[kind]]
    if wrong:
        known = ", ".join(MIXER_NAMES[kind])
        raise ValueError(f"`training.mixers` must be of {known} for kind = {kind!r}, but got {wrong[0]!r}.")


def _check_search(kind: TrainedKind, search: SearchSettings) -> None:
    if search.objective == "pareto":
        raise ValueError(f'objective must be a single metric for kind = {kind!r}, but got "pareto".')
    if search.sampler in ("cmaes", "grid"):
        raise ValueError(f'sampler must be "tpe", "gp" or "random" for kind = {kind!r}, but got {search.sampler!r}.')
    if search.pruner == "wilcoxon":
        raise ValueError(
            f'pruner must be "none", "median" or "halving" for kind = {kind!r}, but got {search.pruner!r}.'
        )
    for name in _OF_NODES:
        if getattr(search, name) != SearchSettings.model_fields[name].default:
            raise ValueError(f"`search.{name}` must be left out for kind = {kind!r}, which has no nodes.")
