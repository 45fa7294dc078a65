"""Serving from a tuned table; needs torch, and neither Optuna nor MLflow."""

from nercc_tune.serving.served_table import ServedTable, load_table
from nercc_tune.serving.suspicions import Suspicions, WorkerRecord

__all__ = ["ServedTable", "Suspicions", "WorkerRecord", "load_table"]
