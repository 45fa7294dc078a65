"""What the pictures of a comparison show: who has which colour, and accuracies of degraded queries against K."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.export.comparison import ComparedCode, Comparison
from nercc_tune.records import BASELINES, Interval

__all__ = ["DegradedPanel", "codes_in_order", "degraded_panels"]


@dataclass(frozen=True, kw_only=True)
class DegradedPanel:
    """A_d at as many further workers and stragglers, whatever K is.

    Attributes:
        title: For a reader.
        series: By the code's name, by K ascending.
    """

    title: str
    series: dict[str, dict[int, Interval]]


def codes_in_order(comparison: Comparison) -> dict[str, ComparedCode]:
    """Return a code for each name of a comparison, the studies' own first, then the baselines in their usual order."""
    codes = {code.name: code for setting in comparison.settings for code in setting.codes}
    places = {name: at for at, name in enumerate(BASELINES, start=1)}
    return dict(sorted(codes.items(), key=lambda item: places.get(item[1].code, 0)))


def degraded_panels(comparison: Comparison) -> tuple[DegradedPanel, ...]:
    """Return a panel for each N − K and S at which A_d is known for several K; a range of S counts by its last."""
    order = codes_in_order(comparison)
    found: dict[tuple[int, int], dict[str, dict[int, Interval]]] = {}
    for setting in comparison.settings:
        series = found.setdefault((setting.workers - setting.queries, setting.stragglers), {})
        for code in setting.codes:
            if code.degraded is not None:
                series.setdefault(code.name, {})[setting.queries] = code.degraded
    return tuple(
        DegradedPanel(
            title=f"N = K + {more}, S = {stragglers}", series={name: series[name] for name in order if name in series}
        )
        for (more, stragglers), series in sorted(found.items())
        if len({queries for points in series.values() for queries in points}) > 1
    )
