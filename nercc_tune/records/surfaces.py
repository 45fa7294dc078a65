"""A metric over the smoothing parameters: as a surface over both, or as a profile along one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nercc_tune.records.choices import Design
from nercc_tune.records.intervals import Interval

__all__ = ["MEASURES", "Axis", "Measure", "Profile", "Surface"]

Measure = Literal["mse", "prob_mse", "rel_acc", "agreement"]
MEASURES: tuple[Measure, ...] = ("mse", "prob_mse", "rel_acc", "agreement")

Axis = Literal["lambda_enc", "lambda_dec"]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A metric of one design in one cell, on the tuning draws: a mean over groups and masks.

    Attributes:
        lambda_encs: The λ_enc whose worker outputs are there, ascending; 0 may be the first.
        lambda_decs: Ascending from 0.
        values: A row for each λ_enc, a column for each λ_dec; NaN where the metric is not defined.
    """

    metric: Measure
    design: Design
    lambda_encs: tuple[float, ...]
    lambda_decs: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.lambda_encs) or any(len(row) != len(self.lambda_decs) for row in self.values):
            raise ValueError(
                f"`values` must have {len(self.lambda_encs)} rows of {len(self.lambda_decs)}, "
                f"but got {len(self.values)} of {sorted({len(row) for row in self.values})}."
            )


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A metric along one smoothing parameter, with 95 % intervals over groups and masks.

    Attributes:
        axis: The parameter that varies.
        other: The value of the other one.
        smoothings: Where the metric was measured, ascending.
        points: The metric there.
    """

    metric: Measure
    axis: Axis
    other: float
    smoothings: tuple[float, ...]
    points: tuple[Interval, ...]
