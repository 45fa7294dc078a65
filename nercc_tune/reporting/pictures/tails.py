"""What the pictures of a bench show: how many queries take longer than a time, and what that costs in answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.records import Interval
from nercc_tune.service.bench_results import BenchResults, BenchRun, Setting

__all__ = ["ErrorPoint", "RatePoint", "Tail", "TailPanel", "panels_of", "rate_series"]

_LEVELS = 160
_MILLI = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """The complementary distribution of a code's latencies, over its repeats.

    Attributes:
        share: [L] of queries that take at least as long, descending from 1 to one query of a repeat.
        mean_ms: [L] the time, on the average over the repeats.
        low_ms: [L] in the best repeat.
        high_ms: [L] in the worst one.
    """

    share: NDArray[np.float64]
    mean_ms: NDArray[np.float64]
    low_ms: NDArray[np.float64]
    high_ms: NDArray[np.float64]

    @classmethod
    def of(cls, runs: Sequence[BenchRun]) -> Tail:
        """Gather the tail of a code; it ends where refused queries begin, which took forever."""
        times = [run.measured for run in runs]
        fewest = min(len(each.latency_s) for each in times)
        share = np.geomspace(1.0, 1.0 / fewest, _LEVELS)
        found = np.array(
            [
                np.quantile(np.where(each.is_answered, each.latency_s, np.inf), 1 - share, method="higher")
                for each in times
            ]
        )
        kept = np.isfinite(found).all(axis=0)
        found = found[:, kept] / _MILLI
        return cls(share=share[kept], mean_ms=found.mean(0), low_ms=found.min(0), high_ms=found.max(0))


@dataclass(frozen=True, kw_only=True)
class ErrorPoint:
    """What a code makes of error and tail; without repeats the intervals have no width.

    Attributes:
        error: 1 − agreement.
        p999_ms: The 99.9th percentile of the latency.
    """

    error: Interval
    p999_ms: Interval


@dataclass(frozen=True, kw_only=True, eq=False)
class TailPanel:
    """All codes at one rate.

    Attributes:
        title: For a reader.
        tails: By code.
        points: By code, where the answers are known and few enough were refused.
    """

    title: str
    tails: dict[str, Tail]
    points: dict[str, ErrorPoint]


@dataclass(frozen=True, kw_only=True)
class RatePoint:
    """A percentile at a rate, in milliseconds."""

    rate: float
    latency_ms: Interval


def panels_of(results: Mapping[str, BenchResults]) -> tuple[TailPanel, ...]:
    """Return a panel for each rate of each results file.

    Args:
        results: By a name for readers; of one file it is not shown.
    """
    return tuple(
        TailPanel(
            title=_title(name if len(results) > 1 else "", each, setting),
            tails={code: Tail.of(runs) for code, runs in setting.runs.items()},
            points=_points(setting),
        )
        for name, each in results.items()
        for setting in each.at_rates()
    )


def rate_series(results: BenchResults, name: str = "p999_s") -> dict[str, tuple[RatePoint, ...]]:
    """Return a percentile of the latency by code against the rate, where it is known."""
    series: dict[str, list[RatePoint]] = {}
    for setting in results.at_rates():
        for code in setting.runs:
            found: Interval | None = getattr(setting.summary(code), name)
            if found is not None:
                series.setdefault(code, []).append(RatePoint(rate=setting.rate, latency_ms=_in_ms(found)))
    return {code: tuple(points) for code, points in series.items()}


def _points(setting: Setting) -> dict[str, ErrorPoint]:
    points = {}
    for code in setting.runs:
        summary = setting.summary(code)
        if summary.agreement is not None and summary.p999_s is not None:
            kept = summary.agreement
            error = Interval(mean=1 - kept.mean, low=1 - kept.high, high=1 - kept.low)
            points[code] = ErrorPoint(error=error, p999_ms=_in_ms(summary.p999_s))
    return points


def _in_ms(interval: Interval) -> Interval:
    return Interval(mean=interval.mean / _MILLI, low=interval.low / _MILLI, high=interval.high / _MILLI)


def _title(name: str, results: BenchResults, setting: Setting) -> str:
    slowness = results.settings.slowness
    parts = (name, f"{setting.rate:g} queries/s", slowness if slowness not in ("", "none") else "undisturbed")
    return ", ".join(filter(None, parts))
