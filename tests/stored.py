"""Studies put into a storage as a search would leave them, without a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, create_trial

from nercc_tune.home import Home
from nercc_tune.records import Cell, Score, TrialRecord, to_json
from nercc_tune.spec import StudySpec, build_study
from nercc_tune.tuning import closing_storage, open_cells, open_storage
from nercc_tune.tuning.cell_reading import RECORD, state_of
from tests.builders import WORKLOAD, landscape, pruned, score, trial
from tests.fakes import sqlite_url, tiny_spec

LARGE = "large"


def large_spec() -> StudySpec:
    """Return a study of one cell."""
    values = tiny_spec("search.trials=2000").model_dump(mode="json")
    values["name"] = LARGE
    values["code"] |= {"queries": 50, "workers": 200, "stragglers": [40]}
    return build_study(values)


def large_home(folder: Path, *, trials: int) -> Home:
    """Return a home with an unfinished study of one cell, in which each tenth trial failed or was pruned."""
    spec = large_spec()
    cell = Cell(
        study=LARGE, model="lenet5", data="mnist", queries=50, workers=200, stragglers=40, fewest=40, weight=1.0
    )
    with closing_storage(open_storage(sqlite_url(folder))) as storage:
        (study,) = open_cells(storage, spec, [cell], WORKLOAD).values()
        study.set_baselines({"bacc": score(0.06), "nercc_ag": score(0.05), "replication": score(0.03)})
        records = [_record(cell, number, spec.decoder_grid) for number in range(trials)]
        optuna.load_study(study_name=cell.name, storage=storage).add_trials([_trial(record) for record in records])
    return Home(folder)


def _record(cell: Cell, number: int, grid: Sequence[float]) -> TrialRecord:
    if number % 20 == 10:
        return trial(cell, number, None)
    record = trial(cell, number, 0.04)
    if number % 20 == 0 and number:
        return pruned(record)
    chance = np.random.default_rng(number)
    lambda_enc = float(10 ** chance.uniform(-8, 0)) if number else 0.0
    profile = tuple(landscape(40, lambda_enc, smoothing) for smoothing in grid)
    best = int(np.argmin(profile))
    worth: Score = score(profile[best])
    return replace(record, lambda_enc=lambda_enc, lambda_dec=grid[best], score=worth, profile=profile)


def _trial(record: TrialRecord) -> FrozenTrial:
    attributes = {name: value for name, value in to_json(record).items() if name != "number"}
    state = state_of(record)
    return create_trial(
        state=state,
        value=record.score.mse if record.score else None,
        user_attrs={RECORD: attributes},
    )
