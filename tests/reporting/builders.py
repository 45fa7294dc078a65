"""Histories and tables with smooth, plausible landscapes: MSE falls a little with λ, then rises fast."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    BASELINES,
    Cell,
    CellHistory,
    Heldout,
    Interval,
    Policy,
    PolicyEntry,
    Provenance,
    Score,
    StudyHistory,
    TrialRecord,
    TunedEntry,
    WorkloadInfo,
)

GRID = (0.0, *(float(value) for value in np.logspace(-14, 0, 29)))
ENCODERS = (0.0, 3e-12, 2e-9, 1.1e-7, 4e-7, 6e-7, 9e-6, 3e-4, 0.02, 0.9)
SPEC = {
    "name": "lenet5-mnist",
    "workload": {"model": "lenet5", "data": "mnist", "seed": 0},
    "code": {"queries": 50, "workers": 200, "stragglers": [20, 40, 80, 120], "nodes": "chebyshev"},
    "search": {"strategy": "profile", "sampler": "tpe", "trials": 10, "seed": 3},
    "evaluation": {
        "tuning_groups": 20,
        "tuning_masks": 10,
        "heldout_groups": 30,
        "heldout_masks": 15,
        "bootstrap": 2000,
        "seed": 5,
    },
}


def landscape(stragglers: int, lambda_enc: float, lambda_dec: float) -> float:
    """Return an MSE whose valley moves to larger λ with S."""

    def excess(smoothing: float, valley: float) -> float:
        position = math.log10(smoothing) if smoothing else -18.0
        return 0.05 * math.tanh((position - valley) / 4) ** 2 + 1 / (1 + math.exp(-2.0 * (position - valley - 3.5)))

    floor, depth = 2e-3 * math.exp(stragglers / 25), 0.3 + stragglers / 80
    return floor * (
        1 + depth * (excess(lambda_enc, -7 + stragglers / 60) + 8 * excess(lambda_dec, -8 + stragglers / 40))
    )


def score(mse: float, *, rel_acc: float | None = 0.98) -> Score:
    return Score(
        mse=mse,
        prob_mse=mse,
        accuracy=0.9,
        rel_acc=rel_acc,
        agreement=0.97,
        mse_p95=2 * mse,
        prob_mse_p95=2 * mse,
        rel_acc_p5=rel_acc,
        agreement_p5=0.9,
    )


def interval(mean: float, *, spread: float = 0.1) -> Interval:
    return Interval(mean=mean, low=mean * (1 - spread), high=mean * (1 + 1.2 * spread))


def heldout(mse: float, *, has_labels: bool = True) -> Heldout:
    right = 1 / (1 + 2 * mse)
    rel_acc = interval(right, spread=0.01) if has_labels else None
    return Heldout(
        mse=interval(mse), prob_mse=interval(mse), rel_acc=rel_acc, agreement=interval(0.99 * right, spread=0.01)
    )


def cell_history(stragglers: int, *, is_judged: bool = True, has_labels: bool = True) -> CellHistory:
    cell = Cell(
        study="lenet5-mnist",
        model="lenet5",
        data="mnist",
        queries=50,
        workers=200,
        stragglers=stragglers,
        nodes="chebyshev",
        decode_space="probabilities",
    )
    origin = landscape(stragglers, 0.0, 0.0)
    lost = stragglers / 200
    baselines = {"bacc": 1.3 * origin, "nercc_ag": origin, "replication": 0.9 * lost**4, "uncoded": 0.9 * lost}
    trials = tuple(_trial(cell, number, lambda_enc) for number, lambda_enc in enumerate(ENCODERS))
    history = CellHistory(
        cell=cell, baselines={name: score(baselines[name]) for name in BASELINES}, trials=(*trials, _failed(cell))
    )
    return replace(history, entry=_entry(history, has_labels=has_labels)) if is_judged else history


def study_history(
    *, stragglers: tuple[int, ...] = (20, 40, 80, 120), is_judged: bool = True, has_labels: bool = True
) -> StudyHistory:
    cells = tuple(cell_history(count, is_judged=is_judged, has_labels=has_labels) for count in stragglers)
    entries = []
    for count in stragglers:
        valley = 10 ** (-8.5 + count / 40)
        found = heldout(1.08 * landscape(count, 4e-7, valley), has_labels=has_labels)
        entries.append(PolicyEntry(stragglers=count, lambda_dec=valley, df_dec=61.5, heldout=found))
    return StudyHistory(
        name="lenet5-mnist",
        digest="0" * 64,
        spec=SPEC,
        decoder_grid=GRID,
        workload=WorkloadInfo(
            model="lenet5",
            data="mnist",
            fingerprint="f1" * 32,
            weights_source="trained, seed 0",
            query_shape=(1, 32, 32),
            outputs=10,
            uncoded_accuracy=0.989,
        ),
        cells=cells,
        policy=Policy(lambda_enc=4e-7, df_enc=33.25, entries=tuple(entries)) if is_judged else None,
        provenance=Provenance(
            versions={"nercc_tune": "0.1.0", "torch": "2.9.0"},
            git_commit="abc1234",
            device="cpu",
            precision="fp32",
            times={"created": "2026-01-02T03:04:05+00:00", "search_s": 12.5},
        ),
    )


def tuned_table(*, stragglers: tuple[int, ...] = (20, 40, 80, 120), has_labels: bool = True) -> TunedTable:
    return TunedTable.from_history(study_history(stragglers=stragglers, has_labels=has_labels))


def _trial(cell: Cell, number: int, lambda_enc: float) -> TrialRecord:
    profile = tuple(landscape(cell.stragglers, lambda_enc, value) for value in GRID)
    least = min(range(len(GRID)), key=profile.__getitem__)
    return TrialRecord(
        uid=f"{cell.name}#{number}",
        number=number,
        proposal=number,
        proposed_for=cell.stragglers,
        lambda_enc=lambda_enc,
        lambda_dec=GRID[least],
        score=score(profile[least]),
        profile=profile,
        started_ms=1000 * number,
        finished_ms=1000 * number + 400,
    )


def _failed(cell: Cell) -> TrialRecord:
    number = len(ENCODERS)
    return TrialRecord(
        uid=f"{cell.name}#{number}",
        number=number,
        proposal=number,
        proposed_for=cell.stragglers,
        lambda_enc=5e-3,
        lambda_dec=1e-8,
        score=None,
        reason="OutputError: outputs are not finite",
        started_ms=1000 * number,
        finished_ms=1000 * number + 400,
    )


def _entry(history: CellHistory, *, has_labels: bool) -> TunedEntry:
    cell, best = history.cell, history.best
    assert best is not None
    assert best.score is not None
    judged = heldout(1.03 * best.score.mse, has_labels=has_labels)
    baselines = {name: heldout(1.02 * item.mse, has_labels=has_labels) for name, item in history.baselines.items()}
    differences = {name: judged.mse.mean - baselines[name].mse.mean for name in ("bacc", "nercc_ag")}
    return TunedEntry(
        model=cell.model,
        data=cell.data,
        queries=cell.queries,
        workers=cell.workers,
        stragglers=cell.stragglers,
        nodes=cell.nodes,
        decode_space=cell.decode_space,
        domain=(-1.0, 1.0),
        lambda_enc=best.lambda_enc,
        lambda_dec=best.lambda_dec,
        df_enc=31.4,
        df_dec=58.2,
        tuning=best.score,
        heldout=judged,
        baselines=baselines,
        mse_minus={name: Interval(mean=d, low=1.1 * d, high=0.9 * d) for name, d in differences.items()},
        trials=len(ENCODERS),
        forwards=len(ENCODERS),
    )
