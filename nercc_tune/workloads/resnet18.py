"""ResNet-18 for colour images of 32 by 32 pixels."""

from __future__ import annotations

import itertools
from collections import OrderedDict

from torch import Tensor, nn
from typing_extensions import override

__all__ = ["BasicBlock", "build_resnet18"]

_WIDTHS = (64, 128, 256, 512)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two convolutions added to the input, or to a projection of it where its shape changes.

    The parts are named as torchvision names them, so that checkpoints of its networks fit.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _convolution(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        is_same = inputs == outputs and stride == 1
        projection = (_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.downsample = nn.Identity() if is_same else nn.Sequential(*projection)

    @override
    def forward(self, images: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(images)))))
        activated: Tensor = self.relu(branch + self.downsample(images))
        return activated


def build_resnet18(outputs: int) -> nn.Sequential:
    """Build a stem, four stages of two residual blocks, average pooling and a linear head.

    The stem is that for small images: a 3x3 convolution of stride 1, and no pooling. Each stage but the first halves
    the sides. Names are torchvision's.

    Reference:
        He, Zhang, Ren and Sun, Deep residual learning for image recognition, arXiv 1512.03385.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=_convolution(3, _WIDTHS[0], 3), bn1=nn.BatchNorm2d(_WIDTHS[0]), relu=nn.ReLU(inplace=True)
    )
    for stage, (inputs, width) in enumerate(itertools.pairwise((_WIDTHS[0], *_WIDTHS)), start=1):
        first = BasicBlock(inputs, width, 1 if stage == 1 else 2)
        layers[f"layer{stage}"] = nn.Sequential(first, BasicBlock(width, width, 1))
    layers.update(avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(_WIDTHS[-1], outputs))
    return nn.Sequential(layers)
