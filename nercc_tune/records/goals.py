"""What is optimised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nercc_tune.records.strict_json import Strict
from nercc_tune.records.trials import Score

__all__ = ["Goal", "Metric"]

# Shares are means of counts over groups and masks, whose order of summation must not tell equal ones apart.
_SHARE_DIGITS = 12

Metric = Literal["mse", "prob_mse", "agreement", "rel_acc", "pareto"]


@dataclass(frozen=True, kw_only=True)
class Goal(Strict):
    """What a search optimises, and what must hold besides.

    Attributes:
        metric: `mse` (in the decode space), `prob_mse`, `agreement`, `rel_acc`, or `pareto`, which is
            `error` and RelAcc both.
        min_rel_acc: Floor on RelAcc, None for none.
        min_agreement: Floor on agreement, None for none.
    """

    metric: Metric = "mse"
    min_rel_acc: float | None = None
    min_agreement: float | None = None

    @property
    def error(self) -> Literal["mse", "prob_mse"]:
        """The squared error that goes with the goal: `mse` for the goal `mse`, else `prob_mse`."""
        return "mse" if self.metric == "mse" else "prob_mse"

    @property
    def is_error(self) -> bool:
        """Whether the best λ_dec is that of the least error, and nothing else is looked at."""
        return self.metric in ("mse", "prob_mse", "pareto") and not self.has_floor

    @property
    def is_maximised(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric in ("agreement", "rel_acc")

    @property
    def floors(self) -> str:
        """What must hold, in words; empty where nothing must."""
        floors = {"RelAcc": self.min_rel_acc, "agreement": self.min_agreement}
        return " and ".join(f"{name} ≥ {floor:g}" for name, floor in floors.items() if floor is not None)

    @property
    def has_floor(self) -> bool:
        """Whether something must hold besides."""
        return self.min_rel_acc is not None or self.min_agreement is not None

    def value(self, score: Score) -> float:
        """Return the metric of a score; for `pareto` its error, and for an undefined RelAcc 0."""
        name = self.error if self.metric == "pareto" else self.metric
        return float(getattr(score, name) or 0.0)

    def error_of(self, score: Score) -> float:
        """Return the squared error of a score."""
        return float(getattr(score, self.error))

    def shortfalls(self, score: Score) -> dict[str, float]:
        """Return by how much a score misses each floor: at most 0 where it is kept."""
        floors = {"rel_acc": self.min_rel_acc, "agreement": self.min_agreement}
        return {
            name: round(floor - (getattr(score, name) or 0.0), _SHARE_DIGITS)
            for name, floor in floors.items()
            if floor is not None
        }

    def shortfall(self, score: Score) -> float:
        """Return by how much a score misses its floors together, 0 where it keeps all."""
        return sum(max(value, 0.0) for value in self.shortfalls(score).values())

    def rank(self, score: Score) -> tuple[float, float, float]:
        """Return a key by which the best of several scores is the least: floors, then the metric, then the error."""
        value = self.value(score)
        key = -round(value, _SHARE_DIGITS) if self.is_maximised else value
        return (self.shortfall(score), key, self.error_of(score))
