"""LeNet5 for one-channel images of 32 by 32 pixels."""

from __future__ import annotations

from torch import nn

__all__ = ["build_lenet5"]


def build_lenet5(outputs: int) -> nn.Sequential:
    """Build LeNet5 with ReLU and max pooling: 61 706 parameters for ten classes.

    ReLU and max pooling replace the squashing function and the trained sub-sampling of 1998, which cost accuracy.

    Reference:
        LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition.
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, outputs),
    )
