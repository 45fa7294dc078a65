"""The registry of the package's own models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from nercc_tune.workloads.base_mlp import build_base_mlp
from nercc_tune.workloads.lenet5 import build_lenet5
from nercc_tune.workloads.repvgg import RepVggShape, build_fused, build_trainable, fuse
from nercc_tune.workloads.resnet8 import build_resnet8
from nercc_tune.workloads.resnet18 import build_resnet18

__all__ = ["MODELS", "OwnModel"]


@dataclass(frozen=True, kw_only=True)
class OwnModel:
    """How to build a model of the package, for images of `size` by `size` pixels with `channels` channels.

    `build` gives the served form for a number of outputs. Where another form is trained, `trainable` builds that, and
    `fuse` turns it (and its number of outputs) into the served one.
    """

    channels: int
    build: Callable[[int], nn.Module]
    trainable: Callable[[int], nn.Module] | None = None
    fuse: Callable[[nn.Module, int], nn.Module] | None = None
    size: int = 32

    def build_trainable(self, outputs: int) -> nn.Module:
        """Build the form that is trained."""
        return (self.trainable or self.build)(outputs)

    def finish(self, trained: nn.Module, outputs: int) -> nn.Module:
        """Turn the trained form into the served one, in evaluation mode."""
        return (trained if self.fuse is None else self.fuse(trained, outputs)).eval()


def _own_repvgg(shape: RepVggShape) -> OwnModel:
    return OwnModel(
        channels=3,
        build=partial(build_fused, shape),
        trainable=partial(build_trainable, shape),
        fuse=partial(fuse, shape),
    )


_SLIM = RepVggShape(stem=32, widths=(64, 64, 128, 256), depths=(2, 1, 4, 1), strides=(1, 2, 1, 2, 2))
_A2 = RepVggShape(stem=64, widths=(96, 192, 384, 1408), depths=(2, 4, 14, 1))

MODELS: dict[str, OwnModel] = {
    "base_mlp": OwnModel(channels=1, build=build_base_mlp, size=28),
    "lenet5": OwnModel(channels=1, build=build_lenet5),
    "repvgg_slim": _own_repvgg(_SLIM),
    "repvgg_a2_cifar": _own_repvgg(_A2),
    "resnet8": OwnModel(channels=3, build=build_resnet8),
    "resnet18_cifar": OwnModel(channels=3, build=build_resnet18),
}
