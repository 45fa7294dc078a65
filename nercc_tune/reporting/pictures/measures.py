"""What the metrics are called on axes and in hovers."""

from __future__ import annotations

from nercc_tune.records import Goal, Measure

__all__ = ["ERRORS", "MEASURE_LABELS", "measures_of"]

MEASURE_LABELS: dict[Measure, str] = {
    "mse": "MSE",
    "prob_mse": "MSE (probabilities)",
    "rel_acc": "RelAcc",
    "agreement": "agreement",
}
ERRORS: tuple[Measure, ...] = ("mse", "prob_mse")
"""The metrics of which less is better."""


def measures_of(goal: Goal) -> tuple[Measure, ...]:
    """Return the metrics that are shown of a study with this goal: its own error, RelAcc and agreement."""
    return (goal.error, "rel_acc", "agreement")
