"""One decoder of masks that differ in how many answers arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.inference.decoders.decoder import Decoder, Decoding, ErrorCurve
from nercc_tune.inference.metrics import Truth
from nercc_tune.records import Parameter


@dataclass(frozen=True)
class JoinedDecoder(Decoder):
    """Decoders of masks with equally many answers each, one after the other."""

    parts: Sequence[Decoder]

    @override
    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        return _JoinedDecoding([part.prepare(answers, groups=groups) for part in self.parts])

    @override
    def df(self, parameter: Parameter) -> Tensor:
        return torch.cat([part.df(parameter) for part in self.parts])


@dataclass(frozen=True)
class _JoinedDecoding(Decoding):
    parts: Sequence[Decoding]

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        for part in self.parts:
            yield from part.estimates(parameter)

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        curves = [curve for part in self.parts if (curve := part.error_curve(truth)) is not None]
        if len(curves) < len(self.parts):
            return None
        return lambda values: torch.cat([curve(values) for curve in curves])
