"""The multilayer perceptron of the literature on learned codes, for one-channel images of 28 by 28 pixels."""

from __future__ import annotations

from torch import nn

__all__ = ["build_base_mlp"]


def build_base_mlp(outputs: int) -> nn.Sequential:
    """Build 784 → 200 → 100 → outputs with ReLU between: 178 110 parameters for ten classes.

    Reference:
        Kosaian, Rashmi and Venkataraman, Learning-based coded computation, JSAIT 2020, table III.
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, 200),
        nn.ReLU(),
        nn.Linear(200, 100),
        nn.ReLU(),
        nn.Linear(100, outputs),
    )
