"""Models for tests of many workers: a linear map, which may take its time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from nercc_tune.training import trainer

CLASSES = 4


class Lazy(nn.Module):
    """Maps pixels to logits after some sleep and some work.

    `NERCC_TEST_SECONDS` says how long it sleeps, `NERCC_TEST_PRODUCTS` how many products of matrices it makes first.
    Each epoch in which it is trained adds a line to the file `NERCC_TEST_EPOCHS`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, CLASSES))

    def train(self, mode: bool = True) -> Lazy:
        if mode:
            with Path(os.environ["NERCC_TEST_EPOCHS"]).open("a") as file:
                file.write(f"{os.getpid()}\n")
        return super().train(mode)

    def forward(self, queries: Tensor) -> Tensor:
        time.sleep(float(os.environ.get("NERCC_TEST_SECONDS", "0")))
        matrix = torch.eye(256)
        for _ in range(int(os.environ.get("NERCC_TEST_PRODUCTS", "0"))):
            matrix = matrix @ matrix
        answers: Tensor = self.layers(queries)
        return answers


def build() -> nn.Module:
    """Make the model; a process of an operation then leaves a checkpoint after every epoch of a training."""
    if "NERCC_TEST_EPOCHS" in os.environ:
        trainer._CHECKPOINT_EVERY_S = 0.0
    generator = torch.Generator().manual_seed(0)
    model = Lazy().eval()
    for weights in model.parameters():
        weights.data = torch.randn(weights.shape, generator=generator) * 3
    return model
