"""One cell, and records that fit it."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import BaseStorage

from nercc_tune.records import Score, TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.tuning import CellStudy, open_cells, open_storage
from tests.fakes import info, sqlite_url, tiny_cells, tiny_spec, tiny_workload

SPEC = tiny_spec("code.stragglers=[2]", "search.strategy=joint", "search.sampler=random")
SCORE = Score(
    mse=0.1 + 0.2,
    prob_mse=1e-300,
    accuracy=1 / 3,
    rel_acc=None,
    agreement=1.0,
    mse_p95=2.0,
    prob_mse_p95=0.0,
    rel_acc_p5=0.5,
    agreement_p5=0.7,
)


def record_of(proposal: int = 0, *, lambda_enc: float = 3e-7, lambda_dec: float = 0.0) -> TrialRecord:
    return TrialRecord(
        uid=f"tiny/K5-N12-S2#{proposal}",
        number=99,
        proposal=proposal,
        proposed_for=2,
        lambda_enc=lambda_enc,
        lambda_dec=lambda_dec,
        score=SCORE,
        profile=(0.1, 1 / 3),
        started_ms=1_700_000_000_001,
        finished_ms=1_700_000_000_002,
    )


def open_cell(storage: BaseStorage, spec: StudySpec = SPEC) -> CellStudy:
    return open_cells(storage, spec, tiny_cells(spec), info(tiny_workload()))[2]


def cell_in(folder: Path, spec: StudySpec = SPEC) -> CellStudy:
    """Open a cell as another process would: nothing is shared but the file."""
    return open_cell(open_storage(sqlite_url(folder)), spec)
