"""The search for the smoothing parameters: the only place that knows Optuna."""

from nercc_tune.tuning.cell_study import CellStudy
from nercc_tune.tuning.history import (
    check_identity,
    delete_study,
    open_cells,
    read_all,
    read_history,
    stored_spec,
    study_names,
    to_spec_json,
)
from nercc_tune.tuning.holder import Holder
from nercc_tune.tuning.ledger import Ledger
from nercc_tune.tuning.patience import STORAGE_FAILURES, Patience, failing_as
from nercc_tune.tuning.progress import Progress
from nercc_tune.tuning.proposals import Proposals, budget_of
from nercc_tune.tuning.reader import SeenStudy, StudyReader
from nercc_tune.tuning.search import Search
from nercc_tune.tuning.storage import closing_storage, hush, is_absent, masked, open_existing, open_storage

__all__ = [
    "STORAGE_FAILURES",
    "CellStudy",
    "Holder",
    "Ledger",
    "Patience",
    "Progress",
    "Proposals",
    "Search",
    "SeenStudy",
    "StudyReader",
    "budget_of",
    "check_identity",
    "closing_storage",
    "delete_study",
    "failing_as",
    "hush",
    "is_absent",
    "masked",
    "open_cells",
    "open_existing",
    "open_storage",
    "read_all",
    "read_history",
    "stored_spec",
    "study_names",
    "to_spec_json",
]
