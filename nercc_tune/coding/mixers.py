"""What the parity workers of a systematic code are sent: mixes of the K queries, fixed or trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

__all__ = ["MIXERS", "Mixer", "MixerKind", "parity_weights"]

Shape = tuple[int, ...]

_TILINGS = {2: (1, 2), 3: (2, 2), 4: (2, 2)}
_DILATIONS = (1, 1, 2, 4, 8, 1)
_WIDTH = 20  # hidden channels of the convolutions for each query
_GB = 1e9
_LARGEST_MLP_GB = 2.0  # its gradients and Adam's moments take three times as much again


def parity_weights(queries: int, parities: int) -> Tensor:
    """Return the weights [R, K] float64 of the addition code: row i holds `j^(i − 1)`, j = 1 … K.

    All minors are positive, so the K outputs follow from any K of theirs and of their R weighted sums.

    Raises:
        ValueError: If there is no query or no parity.

    Reference:
        Kosaian, Rashmi and Venkataraman, Learning-based coded computation, JSAIT 2020, section VI-B.

    Example:
        >>> parity_weights(3, 2)
        tensor([[1., 1., 1.],
                [1., 2., 3.]], dtype=torch.float64)
    """
    _check_counts(queries, parities)
    exponents = torch.arange(parities, dtype=torch.float64)
    return torch.arange(1, queries + 1, dtype=torch.float64) ** exponents[:, None]


class Mixer(nn.Module):
    """Takes queries [B, K, *shape] to parity queries [B, R, *shape].

    Args:
        mix: What computes them.
        queries: K.
        parities: R.
        shape: That of one query.
    """

    def __init__(self, mix: nn.Module, *, queries: int, parities: int, shape: Shape) -> None:
        super().__init__()
        self.mix = mix
        self.queries = queries
        self.parities = parities
        self.shape = shape

    @override
    def forward(self, queries: Tensor) -> Tensor:
        expected = (self.queries, *self.shape)
        if tuple(queries.shape[1:]) != expected or not queries.is_floating_point():
            raise ValueError(
                f"`queries` must be floats of shape (groups, {', '.join(map(str, expected))}), "
                f"but got {queries.dtype} of shape {tuple(queries.shape)}."
            )
        mixed: Tensor = self.mix(queries)
        return mixed.reshape(len(queries), self.parities, *self.shape)


@dataclass(frozen=True, kw_only=True)
class MixerKind:
    """One way to mix queries.

    Attributes:
        make: Builds the mix for K queries, R parities and the shape of a query; a `ValueError` where it cannot be had.
        is_trained: Whether it has parameters, which the global random generator draws as PyTorch does by default.
    """

    make: Callable[[int, int, Shape], nn.Module]
    is_trained: bool

    def build(self, *, queries: int, parities: int, shape: Shape) -> Mixer:
        """Build the mixer for K queries of a shape and R parities.

        Raises:
            ValueError: If this kind cannot mix so many queries of this shape into so many parities.
        """
        _check_counts(queries, parities)
        if not all(size >= 1 for size in shape):
            raise ValueError(f"`shape` must have axes of length 1 or more, but got {shape}.")
        return Mixer(self.make(queries, parities, shape), queries=queries, parities=parities, shape=shape)


def _check_counts(queries: int, parities: int) -> None:
    if not (queries >= 1 and parities >= 1):
        raise ValueError(f"`queries` and `parities` must be at least 1, but got {queries} and {parities}.")


def _check_images(kind: str, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(f"`shape` must be (channels, height, width) for the mixer '{kind}', but got {shape}.")
    channels, height, width = shape
    return channels, height, width


def _check_one_parity(kind: str, parities: int) -> None:
    if parities != 1:
        raise ValueError(f"`parities` must be 1 for the mixer '{kind}', but got {parities}.")


class _Addition(nn.Module):
    """Sum the queries, each with its weight."""

    def __init__(self, queries: int, parities: int, _: Shape) -> None:
        super().__init__()
        self.weights = parity_weights(queries, parities)

    @override
    def forward(self, queries: Tensor) -> Tensor:
        return torch.einsum("rk,bk...->br...", self.weights.to(queries), queries)


class _Concatenation(nn.Module):
    """Average the pixels of each image to the size of a tile, and lay the tiles side by side in the order of reading.

    Two images lie beside each other; of three or four each has a quarter, and the last quarter of three is 0.
    """

    def __init__(self, queries: int, parities: int, shape: Shape) -> None:
        super().__init__()
        _check_one_parity("concatenation", parities)
        _, height, width = _check_images("concatenation", shape)
        if queries not in _TILINGS:
            raise ValueError(f"`queries` must be 2, 3 or 4 for the mixer 'concatenation', but got {queries}.")
        self.rows, self.columns = _TILINGS[queries]
        if height % self.rows or width % self.columns:
            even = "an even height and width" if self.rows == 2 else "an even width"
            raise ValueError(
                f"`shape` must have {even} for the mixer 'concatenation' of {queries} queries, but got {shape}."
            )

    @override
    def forward(self, queries: Tensor) -> Tensor:
        groups, count, channels, height, width = queries.shape
        size = height // self.rows, width // self.columns
        tiles = functional.adaptive_avg_pool2d(queries.flatten(0, 1), size).unflatten(0, (groups, count))
        empty = tiles.new_zeros(groups, self.rows * self.columns - count, channels, *size)
        laid = torch.cat([tiles, empty], 1).unflatten(1, (self.rows, self.columns))
        whole: Tensor = laid.permute(0, 3, 1, 4, 2, 5).reshape(groups, channels, height, width)
        return whole


class _Packed(nn.Module):
    """Sum each K consecutive of the K·C planes, the planes of the first query first, into one of the C planes.

    The public trainer of parity models computes this where its paper has a sum of images. Two colour images give the
    planes R₁ + G₁, B₁ + R₂ and G₂ + B₂; three give their grey images side by side as channels; grey images are added.

    Reference:
        github.com/Thesys-lab/parity-models at ac5259a, train/parity_model_trainer.py.
    """

    def __init__(self, queries: int, parities: int, shape: Shape) -> None:
        super().__init__()
        _check_one_parity("packed", parities)
        self.planes = (_check_images("packed", shape)[0], queries)

    @override
    def forward(self, queries: Tensor) -> Tensor:
        planes: Tensor = queries.flatten(1, 2).unflatten(1, self.planes)
        return planes.sum(2)


class _EachChannel(nn.Module):
    """Mix each colour channel apart, [B, K, H, W] of one channel at a time, with the same weights for all."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    @override
    def forward(self, queries: Tensor) -> Tensor:
        groups, _, channels, height, width = queries.shape
        mixed: Tensor = self.inner(queries.transpose(1, 2).flatten(0, 1))
        return mixed.reshape(groups, channels, -1, height, width).transpose(1, 2)


def _make_mlp(queries: int, parities: int, shape: Shape) -> nn.Module:
    """Build K n → K n → R n with a ReLU between, n being the pixels of one channel, or the length of a query."""
    is_image = len(shape) == 3
    values = torch.Size(shape[1:] if is_image else shape).numel()
    inputs, outputs = queries * values, parities * values
    size_gb = inputs * (inputs + outputs) * torch.float32.itemsize / _GB
    if not size_gb <= _LARGEST_MLP_GB:
        instead = "use 'conv', whose weights do not grow with the image" if is_image else "mix fewer queries"
        raise ValueError(
            f"`shape` must leave the mixer 'mlp' at most {_LARGEST_MLP_GB:g} GB of weights, but got {shape}, which for "
            f"{queries} queries takes {size_gb:.3g} GB; {instead}."
        )
    layers = nn.Sequential(nn.Flatten(), nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, outputs))
    return _EachChannel(layers) if is_image else layers


def _make_conv(queries: int, parities: int, shape: Shape) -> nn.Module:
    """Build seven convolutions with ReLU between, whose dilations let every pixel meet its neighbours up to 17 away."""
    _check_images("conv", shape)
    width = _WIDTH * queries
    layers: list[nn.Module] = []
    for inputs, dilation in zip((queries, *(width for _ in _DILATIONS)), _DILATIONS, strict=False):
        layers += [nn.Conv2d(inputs, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return _EachChannel(nn.Sequential(*layers, nn.Conv2d(width, parities, 1)))


MIXERS: dict[str, MixerKind] = {
    "addition": MixerKind(make=_Addition, is_trained=False),
    "concatenation": MixerKind(make=_Concatenation, is_trained=False),
    "packed": MixerKind(make=_Packed, is_trained=False),
    "mlp": MixerKind(make=_make_mlp, is_trained=True),
    "conv": MixerKind(make=_make_conv, is_trained=True),
}
"""Kinds of mixers by name. Those that are trained encode each colour channel apart.

`addition` is that of parity models (SOSP 2019, arXiv 1905.00863); `concatenation`, for images and one parity, is figure
6 of JSAIT 2020 (with an extension to three); `packed`, likewise, is what the public trainer of parity models computes;
`mlp` and `conv` are the encoders of arXiv 1806.01259, table I of JSAIT 2020.
"""
