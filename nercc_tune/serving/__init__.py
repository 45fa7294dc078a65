"""Serving from a tuned table; needs torch, and neither Optuna nor MLflow."""

from nercc_tune.serving.served_table import ServedTable, load_table

__all__ = ["ServedTable", "load_table"]
