"""A real MLflow store for each test, copied from one that was migrated once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nercc_tune.records import StudyHistory
from nercc_tune.tracking.projection import Projection
from nercc_tune.tracking.silent import Dataset, MlflowClient, Run
from tests.services.mlflow_server import MlflowServer, mlflow_server

__all__ = ["mlflow_server"]


@dataclass(frozen=True, kw_only=True)
class Store:
    """A tracking store and what a test wants to see of it."""

    url: str
    file: Path
    artifacts: Path

    def projection(self) -> Projection:
        return Projection(self.url, self.artifacts)

    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.url)

    def dataset(self, run: Run) -> Dataset:
        """Return the one data set that a run was given."""
        assert run.inputs is not None
        (given,) = run.inputs.dataset_inputs
        return given.dataset

    def runs(self, study: str = "lenet5-mnist") -> dict[str, Run]:
        """Return the runs of a study by name, of which none may occur twice."""
        experiment = self.client().get_experiment_by_name(study)
        assert experiment is not None
        runs = list(self.client().search_runs([experiment.experiment_id], max_results=1000))
        named = {str(run.info.run_name): run for run in runs}
        assert len(named) == len(runs)
        return named


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    Projection(f"sqlite:///{folder}/mlflow.db", folder / "mlartifacts").close(status="FINISHED")
    return folder / "mlflow.db"


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> Store:
    return copy_of(migrated, tmp_path)


@pytest.fixture
def served(mlflow_server: MlflowServer, tmp_path: Path) -> Store:
    """Return what the server shows, which is started if the test before stopped it."""
    mlflow_server.start()
    return Store(url=mlflow_server.url, file=tmp_path / "none", artifacts=tmp_path)


def copy_of(migrated: Path, folder: Path) -> Store:
    """Return an empty store of its own in a folder."""
    file = folder / "home" / "mlflow.db"
    file.parent.mkdir()
    shutil.copy(migrated, file)
    return Store(url=f"sqlite:///{file}", file=file, artifacts=folder / "home" / "mlartifacts")


def project(store: Store, history: StudyHistory) -> Projection:
    """Project a study as its launch does: trial by trial, then the result."""
    projection = store.projection()
    projection.open_study(replace(history, cells=tuple(replace(item, trials=(), entry=None) for item in history.cells)))
    for item in history.cells:
        for record in item.trials:
            projection.log_trial(item.cell, record)
    projection.log_result(history)
    return projection


def curve(store: Store, run: Run, name: str) -> list[tuple[int, float]]:
    history = store.client().get_metric_history(run.info.run_id, name)
    return sorted((metric.step, metric.value) for metric in history)


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: If it is not so in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)
