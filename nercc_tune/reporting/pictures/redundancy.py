"""What the picture of a family shows: every code's figures against N / K, a panel for each measure and each level."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.export.redundancy import POLICY, TUNED, Level, Redundancy
from nercc_tune.records import BASELINES, DEFAULT_PREDICTION, Interval, Measure

__all__ = ["SHOWN", "SHOWN_MEASURES", "RedundancyPanel", "redundancy_rows"]

SHOWN = (TUNED, POLICY, *(name for name in BASELINES if name != DEFAULT_PREDICTION))
"""The codes that are shown where they were judged, in the order of the legend."""

SHOWN_MEASURES: tuple[Measure, ...] = ("prob_mse", "agreement")


@dataclass(frozen=True, kw_only=True)
class RedundancyPanel:
    """One panel.

    Attributes:
        title: The level.
        series: By code, by N / K ascending.
    """

    measure: Measure
    title: str
    series: dict[str, dict[float, Interval]]

    @classmethod
    def of(cls, level: Level, measure: Measure) -> RedundancyPanel:
        """Gather what a level's panel shows."""
        codes = [code for code in SHOWN if any(code in judged.codes for judged in level.judged)]
        series = {
            code: {
                judged.redundancy: getattr(judged.codes[code], measure)
                for judged in level.judged
                if code in judged.codes
            }
            for code in codes
        }
        return cls(measure=measure, title=level.title, series=series)

    @property
    def means(self) -> list[float]:
        """The means of all points."""
        return [point.mean for points in self.series.values() for point in points.values()]


def redundancy_rows(redundancy: Redundancy, *, most: int) -> list[list[RedundancyPanel]]:
    """Return the panels, a row for each measure and a column for each level; of many levels an even selection."""
    levels = redundancy.levels
    if len(levels) > most:
        levels = tuple(levels[round(step * (len(levels) - 1) / (most - 1))] for step in range(most))
    return [[RedundancyPanel.of(level, measure) for level in levels] for measure in SHOWN_MEASURES]
