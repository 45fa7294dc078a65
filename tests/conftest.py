"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.services.mlflow_server import mlflow_server
from tests.services.postgres import postgres

__all__ = ["data_root", "mlflow_server", "postgres", "trace_root"]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Return the folder of the real data sets: `MNIST/raw`, `cifar10`, `imagenet-sample`, `weights`."""
    named = os.environ.get("NERCC_TUNE_DATA")
    if not named:
        pytest.skip("NERCC_TUNE_DATA does not name a folder of real data")
    root = Path(named)
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip(f"no real data under {root}")
    return root


@pytest.fixture(scope="session")
def trace_root() -> Path:
    """Return the folder of the real traces: `NERCC_TUNE_TRACES`, or `shared/data/traces` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces"
    root = Path(os.environ.get("NERCC_TUNE_TRACES") or beside)
    if not (root / "alibaba_pai_job4.csv").is_file():
        pytest.skip(f"no real traces under {root}")
    return root
