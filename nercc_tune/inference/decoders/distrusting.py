"""Decoders of masks under which some answers are wrong, and which may distrust them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding import AnswerReader, Typical
from nercc_tune.coding.answer_reader import Fitting, Placed
from nercc_tune.inference.decoders.decoder import Decoding, ErrorCurve
from nercc_tune.inference.metrics import Truth
from nercc_tune.inference.wrong_answers import GivenAnswers, GivenBatch
from nercc_tune.records import Distrusting, Parameter, Trusting, is_screening, trusting_of

__all__ = ["DistrustingDecoding", "EitherDecoding", "Reading"]

CodesOf = Callable[[Trusting], Sequence[tuple[slice, Placed]]]
"""Groups in turn, each with the code that decodes them: one for all, or one for each fold of a calibration."""

_Key = tuple[Trusting, int, int, bool]

_KEPT = 64  # masks whose fits are kept from one setting to the next


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What a decoder makes of some answers.

    Attributes:
        given: The answers.
        estimates: [m, G, K, c] float64.
        suspects: [m, G, F] bool, who is distrusted.
    """

    given: GivenBatch
    estimates: Tensor
    suspects: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class DistrustingDecoding(Decoding):
    """The answers of a cell, liars' among them, decoded by the codes that serve.

    Attributes:
        given: The answers.
        codes: Give the decoder of each group at a setting.
        typical: Gives what right answers look like, where that can be told.
    """

    given: GivenAnswers
    codes: CodesOf
    typical: Callable[[], Typical | None]
    _kept: dict[_Key, AnswerReader] = field(default_factory=dict)

    def thinned(self, masks: Tensor, groups: Tensor) -> DistrustingDecoding:
        """Return the same for some masks and groups."""
        return replace(self, given=replace(self.given, masks=masks, groups=groups), _kept={})

    def honest(self) -> DistrustingDecoding:
        """Return the same where nobody lies."""
        return replace(self, given=replace(self.given, lies=None))

    def expects(self, trusting: Trusting) -> bool:
        """Whether the decoder knows what it expects of every answer, which residuals need."""
        return all(isinstance(code, Fitting) for _, code in self.codes(trusting))

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        for reading in self.readings(parameter):
            yield reading.estimates.to(torch.float32)

    def oracle(self, parameter: Parameter) -> Iterator[Tensor]:
        """Yield the estimates as `estimates` does, where somebody says who lies: these have not arrived."""
        for reading in self.readings(trusting_of(parameter), knows_liars=True):
            yield reading.estimates.to(torch.float32)

    def readings(self, parameter: Parameter, *, knows_liars: bool = False) -> Iterator[Reading]:
        """Yield what is made of the answers of all masks in turn, some at a time."""
        distrust = parameter.distrust if isinstance(parameter, Distrusting) else None
        for given in self.given.each():
            unusable = given.unusable
            if knows_liars:
                unusable = unusable | given.lying[:, None].to(unusable.device)
            parts = [
                reader.read(given.answers[:, groups], unusable=unusable[:, groups], distrust=distrust)
                for groups, reader in self.readers(trusting_of(parameter), given, is_screening=is_screening(parameter))
            ]
            yield Reading(
                given=given,
                estimates=torch.cat([estimates for estimates, _ in parts], 1),
                suspects=torch.cat([suspects for _, suspects in parts], 1),
            )

    def readers(
        self, trusting: Trusting, given: GivenBatch, *, is_screening: bool = False
    ) -> list[tuple[Tensor, AnswerReader]]:
        """Return the groups of each code, of those that are looked at, with what reads their answers."""
        asked = self.given.groups
        numbers = torch.arange(len(self.given.outputs)) if asked is None else asked
        found: list[tuple[Tensor, AnswerReader]] = []
        for fold, (groups, code) in enumerate(self.codes(trusting)):
            own = torch.isin(numbers, torch.arange(len(self.given.outputs))[groups]).nonzero()[:, 0]
            if len(own):
                found.append(
                    (own, self._reader((trusting, int(given.masks[0]), fold, is_screening), code, given.arrived))
                )
        return found

    def _reader(self, key: _Key, code: Placed, arrived: Tensor) -> AnswerReader:
        if any(other[0] != key[0] for other in self._kept):
            self._kept.clear()
        if key not in self._kept:
            reader = AnswerReader(code, arrived, self.typical() if key[-1] else None)
            if len(arrived) * (1 + len(self._kept)) > _KEPT:
                return reader
            self._kept[key] = reader
        return self._kept[key]

    def scale(self, trusting: Trusting) -> float:
        """Return the mean squared deviation of right answers from what all right ones say."""
        total, count = 0.0, 0
        for given in self.given.each():
            wrong = given.unusable | given.lying[:, None].to(given.unusable.device)
            for groups, reader in self.readers(trusting, given):
                deviations = reader.deviations(given.answers[:, groups], unusable=wrong[:, groups])
                total += float(deviations.clamp(min=0).sum())
                count += int((deviations >= 0).sum())
        return total / max(count, 1)

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class EitherDecoding(Decoding):
    """Answers that nobody lied in, prepared for settings that distrust and for those that do not."""

    trusting: Decoding
    distrusting: DistrustingDecoding

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        decoding = self.distrusting if isinstance(parameter, Distrusting) else self.trusting
        return decoding.estimates(parameter)

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        return self.trusting.error_curve(truth)
