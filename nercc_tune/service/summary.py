"""What repeated measurements of a service say together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from nercc_tune.records import Interval, Strict
from nercc_tune.service.commands import Source
from nercc_tune.service.measured import Measured

_CONFIDENCE = 0.95
_LEAST_REPEATS = 2  # fewer have no spread
_UPPER_TAIL = 0.5 + _CONFIDENCE / 2


@dataclass(frozen=True, kw_only=True)
class TailSummary(Strict):
    """How a scheme did under a load, each figure as the mean over independent repeats with its 95 % interval.

    The intervals are Student's t over the repeats' values, mean ± t(R − 1) · s / √R, cut off where a figure cannot be:
    times and rates below 0, shares outside [0, 1]. `to_json` and `from_json` of `nercc_tune.records` keep it exactly.

    Attributes:
        scheme: Its name.
        rate: Queries per second that were offered.
        repeats: R, how many measurements.
        queries: In all repeats together, warm-up left out.
        p50_s: Percentiles of the latency, in seconds; a query that was refused took forever. None where that makes the
            percentile of a repeat infinite.
        p95_s: Likewise.
        p99_s: Likewise.
        p999_s: The 99.9th percentile, likewise.
        mean_s: Of the queries that were answered; None where a repeat has none.
        goodput: Queries answered per second.
        decoded: The share of queries that were answered by decoding.
        copied: The share that were answered by a copy.
        refused: The share that were not answered.
        accuracy: The share of the answers that were the label; None where nothing was answered but times.
        agreement: The share of the answers that the model gives without coding; None likewise.
        worker_s: Worker-seconds per query, warm-up included.
        burned: The share of these that nobody used.
    """

    scheme: str
    rate: float
    repeats: int
    queries: int
    p50_s: Interval | None
    p95_s: Interval | None
    p99_s: Interval | None
    p999_s: Interval | None
    mean_s: Interval | None
    goodput: Interval
    decoded: Interval
    copied: Interval
    refused: Interval
    accuracy: Interval | None
    agreement: Interval | None
    worker_s: Interval
    burned: Interval


def summarise(repeats: Sequence[Measured]) -> TailSummary:
    """Return what measurements with independent seeds say of a scheme at a rate.

    Raises:
        ValueError: If they are fewer than 2, of several schemes or rates, or one is empty.
    """
    _check(repeats)
    first = repeats[0]

    def share(of: Callable[[Measured], float]) -> Interval:
        return _interval([of(measured) for measured in repeats], most=1.0)

    def time(of: Callable[[Measured], float]) -> Interval | None:
        return _finite([of(measured) for measured in repeats], most=math.inf)

    return TailSummary(
        scheme=first.scheme,
        rate=first.rate,
        repeats=len(repeats),
        queries=sum(len(measured.sources) for measured in repeats),
        p50_s=time(lambda measured: measured.percentile_s(50)),
        p95_s=time(lambda measured: measured.percentile_s(95)),
        p99_s=time(lambda measured: measured.percentile_s(99)),
        p999_s=time(lambda measured: measured.percentile_s(99.9)),
        mean_s=time(_mean_s),
        goodput=_interval([measured.goodput for measured in repeats], most=math.inf),
        decoded=share(lambda measured: measured.share(Source.DECODED)),
        copied=share(lambda measured: measured.share(Source.COPY)),
        refused=share(lambda measured: 1 - float(measured.is_answered.mean())),
        accuracy=_finite([_share_of_answers(item, item.is_right) for item in repeats], most=1.0),
        agreement=_finite([_share_of_answers(item, item.agrees) for item in repeats], most=1.0),
        worker_s=_interval([_worker_s(measured) for measured in repeats], most=math.inf),
        burned=share(lambda measured: measured.tally.burned_s / max(measured.tally.busy_s, np.finfo(np.float64).tiny)),
    )


def _check(repeats: Sequence[Measured]) -> None:
    if not len(repeats) >= _LEAST_REPEATS:
        raise ValueError(f"`repeats` must be at least {_LEAST_REPEATS} for an interval, but got {len(repeats)}.")
    kinds = sorted({(measured.scheme, measured.rate) for measured in repeats})
    if len(kinds) > 1:
        raise ValueError(f"`repeats` must be of one scheme at one rate, but got {kinds}.")
    if not all(len(measured.sources) for measured in repeats):
        raise ValueError("`repeats` must hold queries, but one is empty; measure for longer, or warm up for less.")


def _interval(values: Sequence[float], *, most: float) -> Interval:
    mean = float(np.mean(values))
    reach = float(special.stdtrit(len(values) - 1, _UPPER_TAIL) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return Interval(mean=mean, low=max(0.0, mean - reach), high=min(most, mean + reach))


def _finite(values: Sequence[float], *, most: float) -> Interval | None:
    return _interval(values, most=most) if np.isfinite(values).all() else None


def _mean_s(measured: Measured) -> float:
    answered = measured.latency_s[measured.is_answered]
    return float(answered.mean()) if len(answered) else math.inf


def _share_of_answers(measured: Measured, is_so: NDArray[np.bool_] | None) -> float:
    if is_so is None or not measured.is_answered.any():
        return math.nan
    return float(is_so[measured.is_answered].mean())


def _worker_s(measured: Measured) -> float:
    tally = measured.tally
    return tally.busy_s / (sum(tally.replies.values()) + tally.refused)
