"""RepVGG for images of 32 by 32 pixels: trained with three branches a block, served as plain 3x3 convolutions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from torch import nn

__all__ = ["RepVggShape", "build_fused", "build_trainable", "fuse"]


@dataclass(frozen=True, kw_only=True)
class RepVggShape:
    """The widths and depths of a RepVGG: one stem block, then four stages that each begin with a stride.

    `strides` has one entry for the stem and one for each stage; later blocks of a stage have stride 1.
    """

    stem: int
    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    strides: tuple[int, int, int, int, int] = (1, 1, 2, 2, 2)

    def blocks(self) -> list[tuple[int, int, int]]:
        """List (channels in, channels out, stride) of every block, from the image's three channels on."""
        widths = [3, self.stem]
        strides = [self.strides[0]]
        for width, depth, stride in zip(self.widths, self.depths, self.strides[1:], strict=True):
            widths += [width] * depth
            strides += [stride] + [1] * (depth - 1)
        return [(a, b, s) for (a, b), s in zip(itertools.pairwise(widths), strides, strict=True)]


def _assemble(blocks: list[nn.Module], width: int, outputs: int) -> nn.Sequential:
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs)]
    return nn.Sequential(*blocks, *head)


def build_trainable(shape: RepVggShape, outputs: int) -> nn.Sequential:
    """Build the form that is trained: timm's three-branch blocks, average pooling and a linear head."""
    from timm.models.byobnet import LayerFn, RepVggBlock  # noqa: PLC0415 - timm takes seconds to import

    layers = LayerFn()
    blocks: list[nn.Module] = [RepVggBlock(a, b, 3, stride=s, layers=layers) for a, b, s in shape.blocks()]
    return _assemble(blocks, shape.widths[-1], outputs)


def build_fused(shape: RepVggShape, outputs: int) -> nn.Sequential:
    """Build the form that is served: one biased 3x3 convolution and a ReLU for each block."""
    blocks: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(a, b, 3, stride=s, padding=1), nn.ReLU(inplace=True)) for a, b, s in shape.blocks()
    ]
    return _assemble(blocks, shape.widths[-1], outputs)


def fuse(shape: RepVggShape, trained: nn.Module, outputs: int) -> nn.Sequential:
    """Turn the trained form into the served one, which computes the same function.

    The three branches of a block are linear once batch normalisation is frozen, so their kernels and biases add up.

    Reference:
        Ding et al. 2021, RepVGG: Making VGG-style ConvNets Great Again, arXiv 2101.03697.
    """
    from timm.utils.model import reparameterize_model  # noqa: PLC0415 - timm takes seconds to import

    summed = reparameterize_model(trained.eval()).state_dict()
    fused = build_fused(shape, outputs)
    fused.load_state_dict({name.replace("reparam_conv", "0"): value for name, value in summed.items()})
    return fused.eval()
