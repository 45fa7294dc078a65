"""The search for the smoothing parameters: the only place that knows Optuna."""

from nercc_tune.tuning.cell_study import CellStudy
from nercc_tune.tuning.history import (
    check_identity,
    delete_study,
    open_cells,
    read_all,
    read_history,
    study_names,
    to_spec_json,
)
from nercc_tune.tuning.search import Search
from nercc_tune.tuning.storage import hush, is_absent, masked, open_existing, open_storage

__all__ = [
    "CellStudy",
    "Search",
    "check_identity",
    "delete_study",
    "hush",
    "is_absent",
    "masked",
    "open_cells",
    "open_existing",
    "open_storage",
    "read_all",
    "read_history",
    "study_names",
    "to_spec_json",
]
