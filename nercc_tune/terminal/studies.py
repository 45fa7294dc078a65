"""What `studies` shows: as a table, and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, StudyHistory, TrialRecord, TunedEntry, to_json
from nercc_tune.terminal.figures import show_smoothing

__all__ = ["describe_studies", "table_of_studies"]

_LEFT = ("study", "workload", "state", "figure")
_MAY_WRAP = ("workload", "state", "figure")
_CAPTION = (
    "tuned: the exported pair, with its figure on held-out queries; "
    "best so far: the best trial, with its figure on the tuning draws"
)


def table_of_studies(histories: Mapping[str, StudyHistory]) -> Table:
    """Return the studies of a home: the tuned pair of each cell, or its best trial before the cell is judged."""
    shown = Table(title="studies", title_justify="left", caption=_CAPTION, caption_justify="left")
    for name in ("study", "workload", "N", "K", "S", "trials", "state", "λ_enc", "λ_dec", "figure"):
        shown.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=name not in _MAY_WRAP)
    for name, history in histories.items():
        for cell in history.cells:
            place = cell.cell
            shown.add_row(
                name,
                escape(f"{place.model} on {place.data}"),
                str(place.workers),
                str(place.queries),
                write_count(place),
                str(len(cell.trials)),
                *_pair(cell),
            )
    return shown


def describe_studies(histories: Mapping[str, StudyHistory]) -> list[dict[str, Any]]:
    """Return the studies as JSON values, which `nercc-tune studies --json` prints.

    A study has `study`, `digest`, `state` (`finished`; `resumed` where trials came after the judgement; `unfinished`),
    `model`, `data`, `fingerprint`, `queries`, `workers`, `goal`, `trials`, `cells`, `policy` and `provenance`, the
    last two null before it is judged. A cell has `cell` (its name), `stragglers`, `fewest`, `state`, `trials`,
    `failed`, `pruned`, `best` (the best trial on the tuning draws) and `tuned` (the exported pair with its `heldout`
    figures, those of the `baselines`, and the `gains` over them), each null where there is none. `kernel`,
    `distrust` and `wrong_answers` are there where the study has them.
    """
    return [_study(name, history) for name, history in histories.items()]


def _pair(cell: CellHistory) -> list[str]:
    """Return the state with the pair that is shown, the pair, and its figure."""
    metric = cell.goal.error if cell.goal.metric == "pareto" else cell.goal.metric
    if cell.entry is not None:
        judged = getattr(cell.entry.heldout, metric)
        figure = "–" if judged is None else f"{judged.mean:.4g}"
        return ["finished: tuned", *_lambdas(cell.entry), f"{metric} {figure} held out"]
    best = cell.best
    if best is None or best.score is None:
        return ["not finished", "–", "–", "–"]
    return ["not finished: best so far", *_lambdas(best), f"{metric} {cell.goal.value(best.score):.4g} tuning"]


def _lambdas(pair: TrialRecord | TunedEntry) -> list[str]:
    return [show_smoothing(pair.lambda_enc), show_smoothing(pair.lambda_dec)]


def _study(name: str, history: StudyHistory) -> dict[str, Any]:
    state = "finished" if history.is_judged else "resumed" if history.is_finished else "unfinished"
    code = history.spec["code"]
    return {
        "study": name,
        "digest": history.digest,
        "state": state,
        "model": history.workload.model,
        "data": history.workload.data,
        "fingerprint": history.workload.fingerprint,
        "queries": code["queries"],
        "workers": code["workers"],
        "goal": to_json(history.goal),
        "trials": sum(len(cell.trials) for cell in history.cells),
        "cells": [_cell(cell) for cell in history.cells],
        "policy": to_json(history.policy) if history.policy else None,
        "provenance": to_json(history.provenance) if history.provenance else None,
    }


def _cell(cell: CellHistory) -> dict[str, Any]:
    entry = cell.entry
    is_judged = entry is not None and entry.trials == sum(trial.is_complete for trial in cell.trials)
    return {
        "cell": cell.cell.name,
        "stragglers": cell.cell.stragglers,
        "fewest": cell.cell.fewest,
        "state": "finished" if is_judged else "resumed" if entry else "unfinished",
        "trials": len(cell.trials),
        "failed": sum(trial.reason is not None for trial in cell.trials),
        "pruned": sum(trial.pruned_after is not None for trial in cell.trials),
        "best": _best(cell.best),
        "tuned": _tuned(entry) if entry else None,
    }


def _best(best: TrialRecord | None) -> dict[str, Any] | None:
    if best is None:
        return None
    values = to_json(best)
    return {
        name: values[name]
        for name in ("uid", "proposal", "design", "lambda_enc", "lambda_dec", "kernel", "distrust", "score")
        if name in values
    }


def _tuned(entry: TunedEntry) -> dict[str, Any]:
    values = to_json(entry)
    names = (
        "design",
        "lambda_enc",
        "lambda_dec",
        "kernel",
        "distrust",
        "df_enc",
        "df_dec",
        "is_feasible",
        "heldout",
        "baselines",
        "gains",
        "wrong_answers",
    )
    return {name: values[name] for name in names if name in values}
