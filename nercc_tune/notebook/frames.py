"""Cells and trials as data frames, whose columns have the same types whether there are rows or not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from nercc_tune.records import (
    MEASURES,
    RIVALS,
    CellHistory,
    Design,
    Distrust,
    Interval,
    Score,
    StudyHistory,
    TrialRecord,
    TunedEntry,
)

__all__ = ["cells_frame", "trials_frame"]

_Row = dict[str, Any]

_TIME = "datetime64[ms, UTC]"
_DESIGN = {
    "ordering": "string",
    "nodes": "string",
    "chord_power": "float64",
    "assignment": "string",
    "rack": "Int64",
    "decode_space": "string",
    "decoder": "string",
}
_DISTRUST = {"distrust_kind": "string", "distrust_level": "float64"}
_SCORES = (
    "mse",
    "prob_mse",
    "accuracy",
    "rel_acc",
    "agreement",
    "mse_p95",
    "prob_mse_p95",
    "rel_acc_p5",
    "agreement_p5",
)
_TRIAL = {
    "study": "string",
    "stragglers": "int64",
    "number": "int64",
    "proposal": "int64",
    "proposed_for": "int64",
    "state": "string",
    "lambda_enc": "float64",
    "lambda_dec": "float64",
    **_DISTRUST,
    **_DESIGN,
    **dict.fromkeys(_SCORES, "float64"),
    "reason": "string",
    "pruned_after": "Int64",
    "started": _TIME,
    "finished": _TIME,
    "seconds": "float64",
    "uid": "string",
}
_CELL = {
    "study": "string",
    "model": "string",
    "data": "string",
    "queries": "int64",
    "workers": "int64",
    "stragglers": "int64",
    "fewest": "int64",
    "weight": "float64",
    "state": "string",
    "trials": "int64",
    "complete": "int64",
    "failed": "int64",
    "pruned": "int64",
    "metric": "string",
    "best_lambda_enc": "float64",
    "best_lambda_dec": "float64",
    "best_error": "float64",
    "best_value": "float64",
    "lambda_enc": "float64",
    "lambda_dec": "float64",
    **_DISTRUST,
    **_DESIGN,
}


def cells_frame(histories: Iterable[StudyHistory]) -> pd.DataFrame:
    """Return a row for each cell of some studies: where it stands, its best trial so far, and its tuned code.

    `state` is `unfinished`, `finished`, or `resumed` where trials came after the judgement. `best_error` is the goal's
    error on the tuning draws and `best_value` the goal's metric. `lambda_enc`, `lambda_dec` and the design are those
    that were tuned, and missing before; so are the held-out figures `heldout_mse` … and the shares of the rivals'
    error that are saved, `gain_over_bacc` …, each with `_low` and `_high`. A code that believes all answers has no
    `distrust_kind` and `distrust_level`.
    """
    rows = [_cell_row(cell) for history in histories for cell in history.cells]
    intervals = [f"heldout_{measure}" for measure in MEASURES] + [f"gain_over_{rival}" for rival in RIVALS]
    measured = {f"{name}{end}": "float64" for name in intervals for end in ("", "_low", "_high")}
    return _frame(rows, {**_CELL, **measured})


def trials_frame(history: StudyHistory) -> pd.DataFrame:
    """Return a row for each trial in each cell, in Optuna's order, with what is not defined missing.

    `state` is `complete`, `failed` or `pruned`; `started` and `finished` are times in UTC.
    """
    rows = [_trial_row(history.name, cell.cell.stragglers, trial) for cell in history.cells for trial in cell.trials]
    return _frame(rows, _TRIAL)


def _frame(rows: list[_Row], types: Mapping[str, str]) -> pd.DataFrame:
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in types.items()}
    return pd.DataFrame(columns)


def _cell_row(history: CellHistory) -> _Row:
    cell, entry = history.cell, history.entry
    plain = ("study", "model", "data", "queries", "workers", "stragglers", "fewest", "weight")
    row: _Row = {name: getattr(cell, name) for name in plain}
    states = [_trial_state(trial) for trial in history.trials]
    row |= {"state": _cell_state(history), "trials": len(states), "metric": history.goal.metric}
    row |= {state: states.count(state) for state in ("complete", "failed", "pruned")}
    return row | _best_columns(history) | (_entry_columns(entry) if entry else {})


def _cell_state(history: CellHistory) -> str:
    if history.entry is None:
        return "unfinished"
    is_current = history.entry.trials == sum(trial.is_complete for trial in history.trials)
    return "finished" if is_current else "resumed"


def _best_columns(history: CellHistory) -> _Row:
    best, goal = history.best, history.goal
    if best is None or best.score is None:
        return {}
    return {
        "best_lambda_enc": best.lambda_enc,
        "best_lambda_dec": best.lambda_dec,
        "best_error": goal.error_of(best.score),
        "best_value": goal.value(best.score),
    }


def _entry_columns(entry: TunedEntry) -> _Row:
    row: _Row = {"lambda_enc": entry.lambda_enc, "lambda_dec": entry.lambda_dec, **_design_columns(entry.design)}
    row |= _distrust_columns(entry.distrust)
    for measure in MEASURES:
        row |= _interval_columns(f"heldout_{measure}", getattr(entry.heldout, measure))
    for rival, gain in entry.gains.items():
        row |= _interval_columns(f"gain_over_{rival}", gain)
    return row


def _trial_row(study: str, stragglers: int, trial: TrialRecord) -> _Row:
    plain = ("number", "proposal", "proposed_for", "lambda_enc", "lambda_dec", "reason", "pruned_after", "uid")
    row: _Row = {"study": study, "stragglers": stragglers, "state": _trial_state(trial)}
    row |= {name: getattr(trial, name) for name in plain} | _design_columns(trial.design) | _score_columns(trial.score)
    row |= _distrust_columns(trial.distrust)
    seconds = (trial.finished_ms - trial.started_ms) / 1000
    return row | {"started": trial.started_ms, "finished": trial.finished_ms, "seconds": seconds}


def _trial_state(trial: TrialRecord) -> str:
    if trial.is_complete:
        return "complete"
    return "failed" if trial.pruned_after is None else "pruned"


def _design_columns(design: Design) -> _Row:
    return {name: getattr(design, name) for name in _DESIGN}


def _distrust_columns(distrust: Distrust | None) -> _Row:
    return {} if distrust is None else {"distrust_kind": distrust.kind, "distrust_level": distrust.level}


def _score_columns(score: Score | None) -> _Row:
    return {} if score is None else {name: getattr(score, name) for name in _SCORES}


def _interval_columns(name: str, interval: Interval | None) -> _Row:
    interval = interval or Interval(mean=math.nan, low=math.nan, high=math.nan)
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
