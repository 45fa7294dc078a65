"""A small residual network for colour images of 32 by 32 pixels."""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import override

__all__ = ["HalvingBlock", "build_resnet8"]

_STEM = 16
_WIDTHS = (48, 96, 192)


def _convolve(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class HalvingBlock(nn.Module):
    """Two convolutions, the first of stride 2, added to a projection of the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_convolve(inputs, outputs, 3, 2),
            nn.ReLU(inplace=True),
            *_convolve(outputs, outputs, 3, 1),
        )
        self.shortcut = _convolve(inputs, outputs, 1, 2)
        self.activation = nn.ReLU(inplace=True)

    @override
    def forward(self, images: Tensor) -> Tensor:
        activated: Tensor = self.activation(self.branch(images) + self.shortcut(images))
        return activated


def build_resnet8(outputs: int) -> nn.Sequential:
    """Build a stem, three residual blocks of two convolutions, average pooling and a linear head.

    Each block halves the sides, the first one too, which makes it cheap. Batch normalisation stays in the served form,
    so that a network of the same kind can be trained from its beginning.

    Reference:
        He, Zhang, Ren and Sun, Deep residual learning for image recognition, arXiv 1512.03385, for the block.
    """
    widths = (_STEM, *_WIDTHS)
    blocks = [HalvingBlock(a, b) for a, b in zip(widths, _WIDTHS, strict=False)]
    stem = [*_convolve(3, _STEM, 3, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_WIDTHS[-1], outputs))
