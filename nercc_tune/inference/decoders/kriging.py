"""Kriging decoders of fixed masks, with the moments of a kernel or measured ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding import Moments, Predictor, Sites
from nercc_tune.inference.calibration import Fold
from nercc_tune.inference.decoders.decoder import Decoder, Decoding, ErrorCurve
from nercc_tune.inference.metrics import Truth
from nercc_tune.records import Kernel, Parameter, kernel_of

__all__ = ["KrigingDecoder"]

# Numbers decoded, and factorised, at once: bounds the memory of masks × groups × queries × outputs.
_AT_ONCE = 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class KrigingDecoder(Decoder):
    """The kriging decoders of masks, which may have different numbers of answers.

    Attributes:
        sites: Where answers are read and outputs wanted.
        arrived: [M, P] which of the distinct nodes have an answer.
        has_copies: Whether a worker on a query gets the query itself.
        folds: Groups in turn, each with the moments that were measured for it; empty for those of the kernel alone.
    """

    sites: Sites
    arrived: Tensor
    has_copies: bool
    folds: Sequence[Fold] = ()

    @classmethod
    def of(
        cls, sites: Sites, batches: Sequence[Tensor], *, has_copies: bool, folds: Sequence[Fold] = ()
    ) -> KrigingDecoder:
        """Return the decoder of masks given as positions [M, F] in β, a tensor for each number F."""
        arrived = torch.cat([sites.arrived(batch) for batch in batches])
        return cls(sites=sites, arrived=arrived, has_copies=has_copies, folds=folds)

    @override
    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        """Prepare answers.

        Raises:
            ValueError: If the moments are of folds, and the answers are of some groups only.
        """
        if len(self.folds) > 1 and groups != slice(None):
            raise ValueError("`groups` must be all of them where moments were measured in folds.")
        return _KrigingDecoding(decoder=self, answers=self.sites.distinct(answers))

    @override
    def df(self, parameter: Parameter) -> Tensor:
        return self._predictor(kernel_of(parameter), self.folds[0][1] if self.folds else None).df(self.arrived)

    def predictors(self, kernel: Kernel) -> list[tuple[slice, Predictor]]:
        """Return the predictor of each fold, or of all groups."""
        folds: Sequence[tuple[slice, Moments | None]] = self.folds or [(slice(None), None)]
        return [(groups, self._predictor(kernel, measured)) for groups, measured in folds]

    @property
    def is_noisy(self) -> bool:
        """Whether some answer is no exact copy of a query's output, so that a nugget makes a difference."""
        return not self.has_copies or len(self.sites.answers) > int((self.sites.on_query >= 0).sum())

    def thinned(self, masks: Tensor, groups: int) -> tuple[KrigingDecoder, Tensor]:
        """Return the decoder of some masks and of about as many groups as asked for, and which groups these are.

        Args:
            masks: Their numbers.
            groups: How many groups, of those that `self.folds` cover.
        """
        if not self.folds:
            thin = KrigingDecoder(sites=self.sites, arrived=self.arrived[masks], has_copies=self.has_copies)
            return thin, torch.arange(groups)
        each = max(1, groups // len(self.folds))
        kept: list[Tensor] = []
        folds: list[Fold] = []
        start = 0
        for part, moments in self.folds:
            low, high = part.start or 0, part.stop or groups
            own = torch.arange(low, high)[:each]
            kept.append(own)
            folds.append((slice(start, start + len(own)), moments))
            start += len(own)
        thin = KrigingDecoder(
            sites=self.sites, arrived=self.arrived[masks], has_copies=self.has_copies, folds=tuple(folds)
        )
        return thin, torch.cat(kept)

    def _predictor(self, kernel: Kernel, measured: Moments | None) -> Predictor:
        return Predictor.of(self.sites, kernel, measured=measured, has_copies=self.has_copies)


@dataclass(frozen=True, kw_only=True, eq=False)
class _KrigingDecoding(Decoding):
    decoder: KrigingDecoder
    answers: Tensor  # [G, P, c]

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        predictors = self.decoder.predictors(kernel_of(parameter))
        groups, answers, outputs = self.answers.shape
        queries = len(self.decoder.sites.queries)
        at_once = max(1, _AT_ONCE // max(groups * queries * outputs, answers**2))
        for arrived in self.decoder.arrived.split(at_once):
            parts = [self._part(arrived, self.answers[own], predictor) for own, predictor in predictors]
            yield parts[0] if len(parts) == 1 else torch.cat([part.mT for part in parts], 1).mT

    @staticmethod
    def _part(arrived: Tensor, answers: Tensor, predictor: Predictor) -> Tensor:
        """Return estimates [m, G, K, c], which in memory have the queries last, as the metrics are quick on."""
        matrices = predictor.matrices(arrived).to(device=answers.device, dtype=torch.float32)
        rows = answers.mT.flatten(0, 1)
        estimates: Tensor = (rows @ matrices.mT).unflatten(1, (len(answers), -1)).mT
        return estimates

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        return None
