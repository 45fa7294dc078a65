"""How the networks of a code are trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nercc_tune.records.strict_json import Strict

__all__ = [
    "AUGMENTATIONS",
    "INITIALISATIONS",
    "LOSSES",
    "MIXER_NAMES",
    "SCHEDULES",
    "TARGETS",
    "TRAINED_KINDS",
    "Augmentation",
    "Epoch",
    "Initialisation",
    "Loss",
    "MixerName",
    "Schedule",
    "Target",
    "TrainedKind",
    "Training",
    "TrainingPrecision",
]

TrainedKind = Literal["parity", "learned"]
TRAINED_KINDS: tuple[TrainedKind, ...] = ("parity", "learned")
"""Parity workers run networks trained for it; or the base model, on what a trained encoder sends them."""

MixerName = Literal["addition", "concatenation", "packed", "mlp", "conv"]
MIXER_NAMES: dict[TrainedKind, tuple[MixerName, ...]] = {
    "parity": ("addition", "concatenation", "packed"),
    "learned": ("mlp", "conv"),
}
"""What parity workers are sent, by the kind of code that sends it; names of `nercc_tune.coding.MIXERS`."""

Loss = Literal["mse", "kl", "cross-entropy"]
LOSSES: tuple[Loss, ...] = ("mse", "kl", "cross-entropy")
"""Of outputs; between the distributions that estimates and outputs stand for; or of estimates against the labels."""

Target = Literal["outputs", "labels"]
TARGETS: tuple[Target, ...] = ("outputs", "labels")
"""What a parity network learns the mix of: the base model's outputs, or labels as vectors of 0 and 1."""

Initialisation = Literal["random", "base"]
INITIALISATIONS: tuple[Initialisation, ...] = ("random", "base")
"""A parity network starts from the published random weights, or from those of the base model."""

Augmentation = Literal["none", "shift", "shift-flip"]
AUGMENTATIONS: tuple[Augmentation, ...] = ("none", "shift", "shift-flip")
"""Training queries are shifted by some pixels, each group anew, and mirrored."""

TrainingPrecision = Literal["fp32", "bf16"]
"""Networks compute in float32 throughout, or their products in bfloat16."""

Schedule = Literal["cosine", "constant"]
SCHEDULES: tuple[Schedule, ...] = ("cosine", "constant")
"""The learning rate falls to 0 along half a cosine, or stays, as it was published."""


@dataclass(frozen=True, kw_only=True)
class Training(Strict):
    """All that decides the trained networks of a code, beside the workload and the code's K and N.

    Attributes:
        kind: What is trained.
        mixer: What parity workers are sent.
        loss: What is minimised. `mse` of a parity network is that of the mix of outputs, as published; the others are
            those of the estimates that subtraction makes of its answers.
        target: Of a parity network's `mse`; a learned code takes the base model's outputs.
        initialisation: Of a parity network.
        augmentation: Of the training queries.
        schedule: Of the learning rate.
        learning_rate: Of Adam, at the start.
        weight_decay: Of Adam, added to the gradient.
        batch: Groups in a step.
        epochs: Passes over the training queries, at most.
        patience: Epochs without a better validation accuracy after which it ends; 0 for none.
        seed: Draws weights, groups and shifts.
        precision: In which networks compute; their weights are float32.

    Raises:
        ValueError: If a value is out of its range, or the kind has no such mixer.
    """

    kind: TrainedKind
    mixer: MixerName
    loss: Loss = "mse"
    target: Target = "outputs"
    initialisation: Initialisation = "random"
    augmentation: Augmentation = "none"
    schedule: Schedule = "cosine"
    learning_rate: float
    weight_decay: float
    batch: int
    epochs: int
    patience: int = 0
    seed: int = 0
    precision: TrainingPrecision = "fp32"

    def __post_init__(self) -> None:
        known = MIXER_NAMES[self.kind]
        if self.mixer not in known:
            raise ValueError(
                f"`mixer` must be one of {', '.join(known)} for a {self.kind} code, but got {self.mixer!r}."
            )
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"`learning_rate` must be finite and above 0, but got {self.learning_rate}.")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"`weight_decay` must be finite and at least 0, but got {self.weight_decay}.")
        if not (self.batch >= 1 and self.epochs >= 1):
            raise ValueError(f"`batch` and `epochs` must be at least 1, but got {self.batch} and {self.epochs}.")

    @property
    def label(self) -> str:
        """The code in words: `parity model on addition`, `learned code with an mlp encoder`."""
        return f"parity model on {self.mixer}" if self.kind == "parity" else f"learned code with {self.mixer} encoder"


@dataclass(frozen=True, kw_only=True)
class Epoch(Strict):
    """What one epoch of a training came to.

    Attributes:
        loss: Mean over its steps.
        agreement: Share of the validation queries whose estimate, made without their own answer, has the base
            model's class: the reconstruction accuracy of the literature.
        accuracy: The same share against labels.
    """

    loss: float
    agreement: float
    accuracy: float
