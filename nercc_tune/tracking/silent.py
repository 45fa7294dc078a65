"""MLflow, imported so that it neither prints, nor reports home, nor waits for minutes.

Everything that nercc_tune changes in the process for MLflow's sake is in this module; each setting that the user made
in the environment stands. The rest of `nercc_tune.tracking` takes MLflow from here.

- `MLFLOW_DISABLE_TELEMETRY` is set while MLflow is imported, which is when it decides, and put back afterwards.
- MLflow reads its other settings from the environment at each use, so the *defaults* of its variables are changed and
  the environment is left alone.
- One deprecation warning of SQLAlchemy 2.1 about MLflow's own tables is ignored, by its text; and while MLflow is
  imported, its warnings about its own type hints.
- Nor does it make the folder of an SQLite file, which is there already: it reads the URL as if nothing were escaped.
- Its loggers are silenced unless `MLFLOW_LOGGING_LEVEL` is set: what goes wrong is raised as a `TrackingError` anyway.
"""

from __future__ import annotations

import logging
import os
import warnings

_TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"

warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated", category=DeprecationWarning)

_before = os.environ.get(_TELEMETRY)
os.environ.setdefault(_TELEMETRY, "true")
try:
    from mlflow import MlflowClient, environment_variables
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.store.db import utils as _database
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.types.schema import AnyType, Array, ColSpec, DataType, ParamSchema, ParamSpec, Schema

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred", category=UserWarning)
        from mlflow.pyfunc import save_model
finally:
    if _before is None:
        os.environ.pop(_TELEMETRY, None)

__all__ = [
    "AnyType",
    "Array",
    "ColSpec",
    "DataType",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "ModelSignature",
    "ModelVersion",
    "Param",
    "ParamSchema",
    "ParamSpec",
    "Run",
    "RunTag",
    "Schema",
    "SqlAlchemyStore",
    "save_model",
]

_DEFAULTS: dict[str, bool | int] = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": True,
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": False,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": 15,  # seconds; MLflow's 120 outlast anybody's patience at the end of a study
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": 0,  # MLflow repeats blindly what may have been done, for minutes; we look first
}


if hasattr(_database, "_make_parent_dirs_if_sqlite"):
    _database._make_parent_dirs_if_sqlite = lambda _url: None  # type: ignore[assignment] # noqa: SLF001 - its own parameter's name

for _name, _value in _DEFAULTS.items():
    getattr(environment_variables, _name).default = _value

if "MLFLOW_LOGGING_LEVEL" not in os.environ:
    for _logger in ("mlflow", "alembic"):
        logging.getLogger(_logger).setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it warns of each retry
