"""Figures to look into, for the explorer, for MLflow and for notebooks: pure functions of records."""

from nercc_tune.reporting.interactive.history import plot_history
from nercc_tune.reporting.interactive.landscape import plot_landscape
from nercc_tune.reporting.interactive.outputs import plot_outputs
from nercc_tune.reporting.interactive.page import write_interactive
from nercc_tune.reporting.interactive.profiles import plot_profiles
from nercc_tune.reporting.interactive.stragglers import plot_stragglers
from nercc_tune.reporting.interactive.weights import plot_weights
from nercc_tune.reporting.pictures.recorded_surface import recorded_surface

__all__ = [
    "plot_history",
    "plot_landscape",
    "plot_outputs",
    "plot_profiles",
    "plot_stragglers",
    "plot_weights",
    "recorded_surface",
    "write_interactive",
]
