"""Small things to train: two-class queries, a linear base model, and a task of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from nercc_tune.records import Training
from nercc_tune.training.fitting import Fitting
from nercc_tune.training.learners import make_learner
from nercc_tune.training.task import Task

CPU = torch.device("cpu")
SHAPE = (1, 4, 4)
OUTPUTS = 3
PARITY = Training(kind="parity", mixer="addition", learning_rate=0.02, weight_decay=1e-6, batch=16, epochs=4)
LEARNED = replace(PARITY, kind="learned", mixer="mlp")
ALL = [
    PARITY,
    replace(PARITY, initialisation="base"),
    replace(PARITY, target="labels"),
    replace(PARITY, loss="kl"),
    replace(PARITY, loss="cross-entropy", mixer="packed"),
    replace(PARITY, mixer="packed", schedule="constant"),
    replace(PARITY, mixer="concatenation", augmentation="shift-flip"),
    replace(PARITY, precision="bf16"),
    LEARNED,
    replace(LEARNED, loss="kl"),
    replace(LEARNED, loss="cross-entropy", mixer="conv", augmentation="shift"),
]


def base() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, OUTPUTS)).requires_grad_(requires_grad=False)


def inputs(count: int = 96) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def task(*, queries: int = 2, workers: int = 3, count: int = 96, device: torch.device = CPU) -> Task:
    """Make a task whose labels are on the CPU, as those of a study are."""
    model, given = base(), inputs(count)
    outputs = model(given)
    return Task(
        queries=queries,
        workers=workers,
        base=model.to(device),
        inputs=given.to(device),
        outputs=outputs.to(device),
        labels=outputs.argmax(-1),
        validation=24,
        device=device,
    )


def fitting(training: Training = PARITY, of: Task | None = None) -> Fitting:
    chosen = of or task()
    learner = make_learner(
        chosen, training, trainable=lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, OUTPUTS)), finish=lambda net: net
    )
    return Fitting(task=chosen, training=training, learner=learner, progress=lambda _done, _total, _text: None)


def trained(training: Training = PARITY, of: Task | None = None) -> Fitting:
    """Return a training that is over."""
    found = fitting(training, of)
    while not found.is_over:
        found.run_epoch()
    return found
