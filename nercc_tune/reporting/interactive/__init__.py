"""Figures to look into, for the explorer, for MLflow and for notebooks: pure functions of records."""

from nercc_tune.reporting.interactive.error_against_tail import plot_error_against_tail
from nercc_tune.reporting.interactive.history import plot_history
from nercc_tune.reporting.interactive.landscape import plot_landscape
from nercc_tune.reporting.interactive.latency_tails import plot_latency_tails
from nercc_tune.reporting.interactive.live_latency import plot_live_latency
from nercc_tune.reporting.interactive.outputs import plot_outputs
from nercc_tune.reporting.interactive.page import write_interactive
from nercc_tune.reporting.interactive.profiles import plot_profiles
from nercc_tune.reporting.interactive.stragglers import plot_stragglers
from nercc_tune.reporting.interactive.weights import plot_weights
from nercc_tune.reporting.interactive.worker_latencies import plot_worker_latencies
from nercc_tune.reporting.pictures.recorded_surface import recorded_surface

__all__ = [
    "plot_error_against_tail",
    "plot_history",
    "plot_landscape",
    "plot_latency_tails",
    "plot_live_latency",
    "plot_outputs",
    "plot_profiles",
    "plot_stragglers",
    "plot_weights",
    "plot_worker_latencies",
    "recorded_surface",
    "write_interactive",
]
