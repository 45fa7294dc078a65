"""Tuning of coded inference: which smoothing (λ_enc, λ_dec) to deploy, found by Optuna studies on real queries.

What a serving system needs is here; the rest is behind the command `nercc-tune` and in the stages' packages.
Nothing of this imports Optuna or MLflow. Names are imported when they are first used, so that the command line can
answer `--help` without waiting seconds for torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nercc_tune.coding import (
        BerrutCode,
        LinearCode,
        NerccCode,
        NonFiniteAnswers,
        ReplicationCode,
        UncodedCode,
        node_set,
    )
    from nercc_tune.errors import NerccTuneError
    from nercc_tune.export.table import TunedTable
    from nercc_tune.notebook import open_home
    from nercc_tune.serving import ServedTable, Suspicions, load_table
    from nercc_tune.spec import StudySpec, load_study

__version__ = version("nercc-tune")

__all__ = [
    "BerrutCode",
    "LinearCode",
    "NerccCode",
    "NerccTuneError",
    "NonFiniteAnswers",
    "ReplicationCode",
    "ServedTable",
    "StudySpec",
    "Suspicions",
    "TunedTable",
    "UncodedCode",
    "__version__",
    "load_study",
    "load_table",
    "node_set",
    "open_home",
]

_HOMES = {
    "BerrutCode": "coding",
    "LinearCode": "coding",
    "NerccCode": "coding",
    "NerccTuneError": "errors",
    "NonFiniteAnswers": "coding",
    "ReplicationCode": "coding",
    "ServedTable": "serving",
    "StudySpec": "spec",
    "Suspicions": "serving",
    "TunedTable": "export.table",
    "UncodedCode": "coding",
    "load_study": "spec",
    "load_table": "serving",
    "node_set": "coding",
    "open_home": "notebook",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `nercc_tune` has no attribute `{name}`")
    return getattr(import_module(f"nercc_tune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
