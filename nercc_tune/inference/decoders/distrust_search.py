"""The best distrust of a decoder, on answers of which some are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.coding.distrust import WEIGHTS, Doubt, Trail
from nercc_tune.inference.decoders.distrusting import DistrustingDecoding, with_distrust
from nercc_tune.inference.lies import CellLies
from nercc_tune.inference.metrics import Truth, measure
from nercc_tune.inference.wrong_answers import CellErrors
from nercc_tune.records import LOCATORS, Distrust, Goal, Kernel, Parameter, Score, Trusting

__all__ = ["best_distrust"]

LEVELS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0, 50.0)
PARTS = (3, 5, 7, 9, 13, 21)
NOISES = (10.0, 100.0)
_LEAST_NUGGET = 1e-3
_LEAST_SMOOTHING = 1e-9

# What one decoder may cost while settings are compared; all masks and groups score the best of them.
_MASKS = 24
_LEAST_MASKS = 4
_GROUPS = 8
_ANSWERS = 2**19

# How much more error than without distrust is borne where nothing is wrong.
_COST = 0.01
_LEAST_SCALE = 1e-4  # of a variance: less is rounding

Rank = tuple[float, ...]


def best_distrust(
    decoding: DistrustingDecoding,
    truth: Truth,
    goal: Goal,
    *,
    start: Trusting,
    errors: CellErrors,
) -> tuple[Parameter, Score]:
    """Find how a decoder best distrusts, together with how it decodes what it believes.

    A setting that costs more than 1 % where nobody lies comes after all that cost less. Some masks and groups choose,
    and all of them decide between what they choose and trusting everybody.

    Args:
        decoding: Of all masks.
        truth: The uncoded outputs, in the order of the estimates.
        goal: What is optimised.
        start: The best λ_dec or kernel where nobody lies.
        errors: The wrong answers, and how they may be found.

    Returns:
        The setting, and its score on all masks and groups.
    """
    thin, part = _thinned(decoding, truth, errors.lies)
    honest = thin.honest()

    def rank(estimates: Iterator[Tensor]) -> Rank:
        return goal.rank(measure(estimates, part).score())

    plain = rank(honest.estimates(start))
    fewest, is_distinct = _fewest(decoding), decoding.given.is_distinct
    best: tuple[Rank, Parameter] = ((0.0, *rank(thin.estimates(start))), start)
    for trusting in _settings(start) if thin.expects(start) else (start,):
        scale = max(thin.scale(trusting), _LEAST_SCALE) if thin.expects(trusting) else None
        lying, believing = (Sweep(of, trusting, most=errors.most, scale=scale) for of in (thin, honest))
        for distrust in _distrusts(errors, scale=scale, answers=fewest, is_distinct=is_distinct):
            its = rank(lying.estimates(distrust))
            if (0.0, *its) >= best[0]:
                continue
            costly = _excess(rank(believing.estimates(distrust)), plain) > _COST
            found = ((float(costly), *its), with_distrust(trusting, distrust))
            best = min(best, found, key=lambda item: item[0])
    chosen, trusted = (measure(decoding.estimates(each), truth).score() for each in (best[1], start))
    return (best[1], chosen) if goal.rank(chosen) < goal.rank(trusted) else (start, trusted)


class Sweep:
    """The same answers, read with every level of distrust: what they doubt is set aside once for all levels.

    Args:
        decoding: Of the answers.
        trusting: What the decoder is set to besides.
        most: No more are ever distrusted.
        scale: Of the deviations; None where the decoder expects nothing of its answers.
    """

    def __init__(self, decoding: DistrustingDecoding, trusting: Trusting, *, most: int, scale: float | None) -> None:
        self._decoding, self._trusting = decoding, trusting
        self._most, self._scale = most, scale

    def estimates(self, distrust: Distrust) -> Iterator[Tensor]:
        """Yield the estimates of all masks in turn, some at a time."""
        if distrust.is_counted:
            yield from self._decoding.estimates(with_distrust(self._trusting, distrust))
            return
        for doubts in self._doubts:
            yield torch.cat([self._believe(doubt, distrust) for doubt in doubts], 1).to(torch.float32)

    def _believe(self, doubt: Doubt, distrust: Distrust) -> Tensor:
        if distrust.kind in WEIGHTS:
            return doubt.reweigh(distrust.limit, WEIGHTS[distrust.kind])[0]
        key = id(doubt)
        if key not in self._trails:
            self._trails[key] = doubt.trail()
        trail = self._trails[key]
        return trail.at(trail.stop(distrust.limit, most=distrust.most))

    @cached_property
    def _trails(self) -> dict[int, Trail]:
        return {}

    @cached_property
    def _doubts(self) -> list[list[Doubt]]:
        least = Distrust(kind="residuals", level=min(LEVELS), most=self._most, scale=self._scale or 1.0)
        return [
            [
                reader.doubt(given.answers[:, groups], unusable=given.unusable[:, groups], distrust=least)
                for groups, reader in self._decoding.readers(self._trusting, given)
            ]
            for given in self._decoding.given.each()
        ]


def _thinned(decoding: DistrustingDecoding, truth: Truth, lies: CellLies) -> tuple[DistrustingDecoding, Truth]:
    """Return the decoding and the truth on a share of the masks and groups, among them every kind.

    Kinds come in turn as masks are drawn, of which the first are as good as any; those with many answers come first.
    """
    groups, _, outputs = decoding.given.outputs.shape
    some = torch.arange(min(groups, _GROUPS)) * groups // min(groups, _GROUPS)
    each = len(some) * decoding.given.batches[0].shape[1] * outputs
    masks = lies.earliest(max(_LEAST_MASKS, len(lies.kinds), min(_MASKS, _ANSWERS // each)))
    return decoding.thinned(masks, some), truth.part(some)


def _settings(start: Trusting) -> Iterator[Trusting]:
    """Yield what a decoder that believes fewer answers may be set to: as it is, and with more noise reckoned with."""
    yield start
    for factor in NOISES:
        if isinstance(start, Kernel):
            if start.range:
                yield replace(start, nugget=max(start.nugget, _LEAST_NUGGET) * factor)
        else:
            yield max(start, _LEAST_SMOOTHING) * factor


def _distrusts(errors: CellErrors, *, scale: float | None, answers: int, is_distinct: bool) -> Iterator[Distrust]:
    """Yield how a decoder may distrust; ApproxIFER's locators need nodes that are all distinct.

    A median of no more sub-samples than answers that may be no numbers may have each of them spoilt.
    """
    liars, most = errors.liars, errors.most
    spoilt = 0 if all(kind.is_finite for kind in errors.lies.kinds) else most
    for kind in errors.distrusts:
        if kind == "median":
            parts = [count for count in PARTS if spoilt < count and 2 * count <= answers]
            yield from (Distrust(kind=kind, level=float(count), most=most) for count in parts)
        elif kind in LOCATORS:
            if liars and is_distinct:
                yield Distrust(kind=kind, level=float(liars), most=most)
        elif scale is not None:
            yield from (Distrust(kind=kind, level=level, most=most, scale=scale) for level in LEVELS)


def _fewest(decoding: DistrustingDecoding) -> int:
    return min(batch.shape[1] for batch in decoding.given.batches)


def _excess(rank: Rank, plain: Rank) -> float:
    """Return by which share a rank's error is larger; its last item is an error."""
    return rank[-1] / plain[-1] - 1 if plain[-1] > 0 else float(rank[-1] > 0)
