"""The best distrust of a decoder, on answers of which some are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nercc_tune.coding.distrust import WEIGHTS, Doubt, Trail
from nercc_tune.inference.decoders.distrusting import DistrustingDecoding
from nercc_tune.inference.lies import CellLies
from nercc_tune.inference.metrics import Truth, measure
from nercc_tune.inference.wrong_answers import CellErrors
from nercc_tune.records import LOCATORS, Distrust, Distrusting, Goal, Kernel, Parameter, Score, Trusting

__all__ = ["best_distrust"]

LEVELS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0, 50.0, 100.0, 1000.0)
COPIES_LEVELS = (30.0, 10.0, 3.0)  # the first of those that are as good is taken: it bears more rounding
PARTS = (3, 5, 7, 9, 13, 21)
NOISES = (10.0, 100.0)
_LEAST_NUGGET = 1e-3
_LEAST_SMOOTHING = 1e-9

# What one decoder may cost while settings are compared; all masks and groups score the best of them.
_MASKS = 24
_LEAST_MASKS = 4
_GROUPS = 8
_ANSWERS = 2**19

# How much more error than without distrust is borne where nothing is wrong, and which share of the answers that look
# right is accused there: errors are of few groups, so that the former alone would be luck.
_COST = 0.01
_ALARMS = 1e-3
_MOST_REFUSED = 20
_HARDLY_LESS = 2.5  # times the level
_COARSE = (4.0, 12.0, 50.0, 1000.0)
_TYPICAL = (0.99, 0.999, 0.9997)  # shares of right answers that are nearer to what they look like
_BEYOND = 1.05  # times the farthest of them
_LEAST_ERROR = 1e-9
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

    No setting is returned that makes more than 1 % more error where nobody lies, nor one that is no better than to
    believe everybody on all masks and groups, of which some choose.

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
    fewest, copies = _fewest(decoding), decoding.given.expected_of_copies()
    tried: list[tuple[Rank, Parameter]] = [(rank(thin.estimates(start)), start)]

    def try_all(trusting: Trusting, distrusts: Iterable[Distrust]) -> None:
        lying, believing = Sweep(thin, trusting), Sweep(honest, trusting)
        for distrust in distrusts:
            its = rank(lying.estimates(distrust))
            if its < tried[0][0] and not _is_costly(believing, distrust, lambda read: _excess(rank(read), plain)):
                tried.append((its, Distrusting(trusting=trusting, distrust=distrust)))

    if thin.expects(start):
        # First whether to look at what answers look like, then all else.
        scale = max(thin.scale(start), _LEAST_SCALE)
        for bound in (None, *_bounds(decoding.honest())):
            coarse = _distrusts(errors, scale=scale, copies=copies, answers=fewest, levels=_COARSE)
            try_all(start, (replace(distrust, typical=bound) for distrust in coarse if not distrust.is_counted))
        best = min(tried, key=lambda item: item[0])[1]
        chosen = best.distrust.typical if isinstance(best, Distrusting) else None
        for trusting in _settings(start):
            scale = max(thin.scale(trusting), _LEAST_SCALE)
            every = _distrusts(errors, scale=scale, copies=copies, answers=fewest)
            try_all(trusting, (each if each.is_counted else replace(each, typical=chosen) for each in every))
    else:
        try_all(start, _distrusts(errors, scale=None, copies=copies, answers=fewest))
    best = _cheapest_of_best(tried, decoding.honest(), truth, goal, start=start)
    found, believed = (measure(decoding.estimates(each), truth).score() for each in (best, start))
    return (best, found) if goal.rank(found) < goal.rank(believed) else (start, believed)


def _is_costly(believing: Sweep, distrust: Distrust, cost: Callable[[Iterator[Tensor]], float]) -> bool:
    """Whether a distrust makes more error, or accuses more, than is borne where nobody lies."""
    read = list(believing.read(distrust))
    alarms: Tensor | float = torch.cat([suspects.to(torch.float64).mean((1, 2)).cpu() for _, suspects in read]).mean()
    alarms = float(alarms) - believing.screened(distrust)
    is_told = distrust.kind in LOCATORS  # how many are wrong, and accuses as many
    return cost(estimates for estimates, _ in read) > _COST or (alarms > _ALARMS and not is_told)


def _cheapest_of_best(
    tried: Sequence[tuple[Rank, Parameter]], honest: DistrustingDecoding, truth: Truth, goal: Goal, *, start: Trusting
) -> Parameter:
    """Return the best setting that costs no more than is borne on all draws, which see rare costs that few do not."""
    plain = goal.rank(measure(honest.estimates(start), truth).score())
    refused: list[Distrusting] = []
    for _, parameter in sorted(tried, key=lambda item: item[0]):
        if not isinstance(parameter, Distrusting):
            return parameter
        if any(_is_stricter(parameter, other) for other in refused):
            continue
        if len(refused) == _MOST_REFUSED:
            break
        if _excess(goal.rank(measure(honest.estimates(parameter), truth).score()), plain) <= _COST:
            return parameter
        refused.append(parameter)
    return start


def _is_stricter(parameter: Distrusting, other: Distrusting) -> bool:
    """Whether a setting distrusts as much as another one that differs in nothing else, or hardly less."""
    mine, its = parameter.distrust, other.distrust
    is_alike = parameter.trusting == other.trusting and (mine.kind, mine.typical) == (its.kind, its.typical)
    return is_alike and mine.level <= _HARDLY_LESS * its.level


def _bounds(honest: DistrustingDecoding) -> tuple[float, ...]:
    """Return bounds of how far right answers are from what they look like, most of them."""
    typical = honest.typical()
    if typical is None:
        return ()
    given = honest.given
    apart = typical.deviations(given.read(given.outputs)).flatten().cpu()
    shares = apart.quantile(torch.tensor(_TYPICAL, dtype=apart.dtype)).tolist()
    return tuple(bound for bound in (*shares, _BEYOND * float(apart.max())) if bound > 0)


class Sweep:
    """The same answers, read with every level of distrust: what they doubt is set aside once for all levels.

    Args:
        decoding: Of the answers.
        trusting: What the decoder is set to besides.
    """

    def __init__(self, decoding: DistrustingDecoding, trusting: Trusting) -> None:
        self._decoding, self._trusting = decoding, trusting
        self._screened: dict[tuple[float | None, float | None], float] = {}
        self._doubts: dict[float | None, list[list[Doubt]]] = {}
        self._trails: dict[Doubt, Trail] = {}

    def estimates(self, distrust: Distrust) -> Iterator[Tensor]:
        """Yield the estimates of all masks in turn, some at a time."""
        for estimates, _ in self.read(distrust):
            yield estimates

    def read(self, distrust: Distrust) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the estimates [m, G, K, c] and the suspects [m, G, F] of all masks in turn, some at a time."""
        if not distrust.is_of_deviations:
            for reading in self._decoding.readings(Distrusting(trusting=self._trusting, distrust=distrust)):
                yield reading.estimates.to(torch.float32), reading.suspects
            return
        if distrust.typical not in self._doubts:
            self._doubts[distrust.typical] = self._doubt(replace(distrust, level=min(LEVELS)))
        for doubts in self._doubts[distrust.typical]:
            parts = [self._believe(doubt, distrust) for doubt in doubts]
            estimates = torch.cat([part for part, _ in parts], 1).to(torch.float32)
            yield estimates, torch.cat([suspects for _, suspects in parts], 1)

    def screened(self, distrust: Distrust) -> float:
        """Return the share of answers that go because they do not look like right ones."""
        if distrust.typical is None:
            return 0.0
        key = (distrust.typical, distrust.level if distrust.kind == "copies" else None)
        if key not in self._screened:
            gone = [
                reader.screened(given.answers[:, groups], unusable=given.unusable[:, groups], distrust=distrust)
                for given in self._decoding.given.each()
                for groups, reader in self._decoding.readers(self._trusting, given, is_screening=True)
            ]
            self._screened[key] = float(torch.cat([each.flatten() for each in gone]).to(torch.float64).mean())
        return self._screened[key]

    def _believe(self, doubt: Doubt, distrust: Distrust) -> tuple[Tensor, Tensor]:
        if distrust.kind in WEIGHTS:
            return doubt.reweigh(distrust.limit, WEIGHTS[distrust.kind])
        if doubt not in self._trails:
            self._trails[doubt] = doubt.trail()
        trail = self._trails[doubt]
        stop = trail.stop(distrust.limit, most=distrust.most)
        return trail.at(stop), trail.suspects(stop)

    def _doubt(self, least: Distrust) -> list[list[Doubt]]:
        doubts: list[list[Doubt]] = []
        for given in self._decoding.given.each():
            of_batch = []
            for groups, reader in self._decoding.readers(self._trusting, given, is_screening=least.typical is not None):
                answers, unusable = given.answers[:, groups], given.unusable[:, groups]
                unusable = reader.screened(answers, unusable=unusable, distrust=least)
                of_batch.append(reader.doubt(answers, unusable=unusable, distrust=least))
            doubts.append(of_batch)
        return doubts


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


def _distrusts(
    errors: CellErrors, *, scale: float | None, copies: float | None, answers: int, levels: Sequence[float] = LEVELS
) -> Iterator[Distrust]:
    """Yield how a decoder may distrust; ApproxIFER's locators need nodes that are all distinct, where no copies are."""
    liars, most = errors.liars, errors.most
    for kind in errors.distrusts:
        if kind == "median":
            parts = [count for count in PARTS if 2 * count <= answers]
            yield from (Distrust(kind=kind, level=float(count), most=most) for count in parts)
        elif kind in LOCATORS:
            if liars and copies is None:
                yield Distrust(kind=kind, level=float(liars), most=most)
        elif kind == "copies":
            if copies is not None:
                yield from (Distrust(kind=kind, level=level, most=most, scale=copies) for level in COPIES_LEVELS)
        elif scale is not None:
            yield from (Distrust(kind=kind, level=level, most=most, scale=scale) for level in levels)


def _fewest(decoding: DistrustingDecoding) -> int:
    return min(batch.shape[1] for batch in decoding.given.batches)


def _excess(rank: Rank, plain: Rank) -> float:
    """Return by which share a rank's error is larger; its last item is an error, of which the least is rounding."""
    return (rank[-1] - plain[-1]) / max(plain[-1], _LEAST_ERROR)
