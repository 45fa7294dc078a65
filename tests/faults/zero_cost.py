"""Models for tests of many workers: a linear map, which may take its time."""

from __future__ import annotations

import os
import time

import torch
from torch import Tensor, nn

CLASSES = 4


class Lazy(nn.Module):
    """Maps pixels to logits after some sleep and some work.

    `NERCC_TEST_SECONDS` says how long it sleeps, `NERCC_TEST_PRODUCTS` how many products of matrices it makes first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, CLASSES))

    def forward(self, queries: Tensor) -> Tensor:
        time.sleep(float(os.environ.get("NERCC_TEST_SECONDS", "0")))
        matrix = torch.eye(256)
        for _ in range(int(os.environ.get("NERCC_TEST_PRODUCTS", "0"))):
            matrix = matrix @ matrix
        answers: Tensor = self.layers(queries)
        return answers


def build() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    model = Lazy().eval()
    for weights in model.parameters():
        weights.data = torch.randn(weights.shape, generator=generator) * 3
    return model
