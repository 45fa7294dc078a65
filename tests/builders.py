"""Histories and tables without a search: smooth, plausible landscapes, or a few proposals with given figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    Candidate,
    Cell,
    CellHistory,
    Goal,
    Heldout,
    Interval,
    Policy,
    PolicyEntry,
    Provenance,
    Score,
    SinglePair,
    StudyHistory,
    TrialRecord,
    TunedEntry,
    WorkloadInfo,
)

COUNTS = (20, 40, 80, 120)
GRID = (0.0, *(float(value) for value in np.logspace(-14, 0, 29)))
ENCODERS = (0.0, 3e-12, 2e-9, 1.1e-7, 4e-7, 6e-7, 9e-6, 3e-4, 0.02, 0.9)
DIGEST = "d1" * 32
START_MS = 1_700_000_000_000
MSES = (0.05, 0.04, None, 0.045)
"""By proposal; None where the trial failed."""

SPEC: dict[str, Any] = {
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
WORKLOAD = WorkloadInfo(
    model="lenet5",
    data="mnist",
    fingerprint="f1" * 32,
    weights_source="trained, seed 0",
    query_shape=(1, 32, 32),
    outputs=10,
    uncoded_accuracy=0.989,
)
PROVENANCE = Provenance(
    versions={"nercc_tune": "0.1.0", "torch": "2.9.0"},
    git_commit="abc1234def5678",
    device="cpu",
    precision="fp32",
    times={"created": "2026-01-02T03:04:05+00:00", "search_s": 12.5},
)


def landscape(stragglers: int, lambda_enc: float, lambda_dec: float) -> float:
    """Return an MSE that falls a little with λ, then rises fast; its valley moves to larger λ with S."""

    def excess(smoothing: float, valley: float) -> float:
        position = math.log10(smoothing) if smoothing else -18.0
        return 0.05 * math.tanh((position - valley) / 4) ** 2 + 1 / (1 + math.exp(-2.0 * (position - valley - 3.5)))

    floor, depth = 2e-3 * math.exp(stragglers / 25), 0.3 + stragglers / 80
    return floor * (
        1 + depth * (excess(lambda_enc, -7 + stragglers / 60) + 8 * excess(lambda_dec, -8 + stragglers / 40))
    )


def score(mse: float, *, rel_acc: float | None = 0.98) -> Score:
    """Return a score whose errors in the decode space and in probabilities differ."""
    return Score(
        mse=mse,
        prob_mse=mse / 2,
        accuracy=0.9,
        rel_acc=rel_acc,
        agreement=0.97,
        mse_p95=2 * mse,
        prob_mse_p95=mse,
        rel_acc_p5=rel_acc,
        agreement_p5=0.9,
    )


def interval(mean: float, *, spread: float = 0.1) -> Interval:
    reach = spread * abs(mean)
    return Interval(mean=mean, low=mean - reach, high=mean + 1.2 * reach)


def heldout(mse: float, *, has_labels: bool = True) -> Heldout:
    right = 1 / (1 + 2 * mse)
    rel_acc = interval(right, spread=0.01) if has_labels else None
    return Heldout(
        mse=interval(mse), prob_mse=interval(mse / 2), rel_acc=rel_acc, agreement=interval(0.99 * right, spread=0.01)
    )


def cell(stragglers: int, *, study: str = "lenet5-mnist") -> Cell:
    return Cell(
        study=study,
        model="lenet5",
        data="mnist",
        queries=50,
        workers=200,
        stragglers=stragglers,
        fewest=stragglers,
        weight=0.25,
    )


def trial(place: Cell, proposal: int, mse: float | None) -> TrialRecord:
    """Return a proposal with a given MSE, or one that failed."""
    started = START_MS + 1000 * proposal + place.stragglers
    return TrialRecord(
        uid=f"{place.name}#{proposal}",
        number=proposal,
        proposal=proposal,
        proposed_for=40,
        lambda_enc=proposal * 1.1e-7,
        lambda_dec=proposal * 3e-9,
        score=None if mse is None else score(mse),
        reason="OutputError: outputs are not finite" if mse is None else None,
        started_ms=started,
        finished_ms=started + 400,
    )


def pruned(record: TrialRecord, *, blocks: int = 2) -> TrialRecord:
    """Return a trial as it is where the pruner stopped it."""
    return replace(record, score=None, profile=(), reason=None, pruned_after=blocks)


def searched(stragglers: int, *, mses: tuple[float | None, ...] = MSES, study: str = "lenet5-mnist") -> CellHistory:
    """Return a cell with a trial for each of some MSEs; the uncoded baseline has no RelAcc."""
    place = cell(stragglers, study=study)
    return CellHistory(
        cell=place,
        baselines={"bacc": score(0.06), "nercc_ag": score(0.05), "uncoded": score(0.2, rel_acc=None)},
        trials=tuple(trial(place, proposal, mse) for proposal, mse in enumerate(mses)),
    )


def study(*cells: CellHistory, name: str = "lenet5-mnist") -> StudyHistory:
    """Return a study that is being searched, whose file names a password."""
    return StudyHistory(
        name=name,
        digest=DIGEST,
        spec={
            "name": name,
            "code": {"queries": 50, "workers": 200, "stragglers": [40, 60]},
            "search": {"strategy": "profile", "trials": 4, "lambda_enc": {"low": 1e-14, "high": 1.0}},
            "workload": {"model": "lenet5", "checkpoint": None},
            "storage": {"url": "postgresql://ann:secret@db/optuna"},
        },
        decoder_grid=(0.0, 1e-9),
        workload=WORKLOAD,
        cells=cells or (searched(40), searched(60)),
    )


def finished(history: StudyHistory, *, has_labels: bool = True) -> StudyHistory:
    """Return a searched study with choices, policy and provenance."""
    cells = tuple(judged(item, has_labels=has_labels) for item in history.cells)
    entries = [item.entry for item in cells if item.entry]
    # One encoder for all is a little worse than each cell's own.
    worth = [heldout(1.08 * entry.heldout.mse.mean, has_labels=has_labels) for entry in entries]
    mean = sum(item.mse.mean for item in worth) / len(worth)
    single = SinglePair(
        design=entries[0].design,
        lambda_enc=6e-7,
        lambda_dec=2e-8,
        heldout=heldout(1.25 * mean, has_labels=has_labels),
    )
    policy = Policy(
        design=entries[0].design,
        lambda_enc=4e-7,
        df_enc=33.25,
        entries=tuple(
            PolicyEntry(stragglers=s, lambda_dec=10 ** (-8.5 + s / 40), df_dec=61.5, heldout=item)
            for s, item in zip([entry.stragglers for entry in entries], worth, strict=True)
        ),
        heldout=heldout(mean, has_labels=has_labels),
        single=single,
        minus_single=interval(-0.25 * mean, spread=0.2),
        is_feasible=True,
    )
    return replace(history, cells=cells, policy=policy, provenance=PROVENANCE)


def judged(history: CellHistory, *, has_labels: bool = True) -> CellHistory:
    """Return a searched cell with the best of its trials chosen."""
    place, best = history.cell, history.best
    assert best is not None
    assert best.score is not None
    mine = heldout(1.03 * best.score.mse, has_labels=has_labels)
    baselines = {
        name: heldout(1.02 * item.mse, has_labels=has_labels and item.rel_acc is not None)
        for name, item in history.baselines.items()
    }
    entry = TunedEntry(
        model=place.model,
        data=place.data,
        queries=place.queries,
        workers=place.workers,
        stragglers=place.stragglers,
        fewest=place.fewest,
        weight=place.weight,
        waiting=None,
        design=best.design,
        domain=(-1.0, 1.0),
        lambda_enc=best.lambda_enc,
        lambda_dec=best.lambda_dec,
        df_enc=31.4,
        df_dec=58.2,
        tuning=best.score,
        is_feasible=True,
        candidates=tuple(_candidate(history.goal, item) for item in history.ranked[:3]),
        heldout=mine,
        baselines=baselines,
        mse_minus={name: interval(mine.mse.mean - item.mse.mean) for name, item in baselines.items()},
        prob_mse_minus={name: interval(mine.prob_mse.mean - item.prob_mse.mean) for name, item in baselines.items()},
        gains={name: interval(1 - mine.mse.mean / item.mse.mean) for name, item in baselines.items()},
        trials=sum(item.is_complete for item in history.trials),
        forwards=len(history.trials),
    )
    return replace(history, entry=entry)


def cell_history(stragglers: int, *, goal: Goal | None = None) -> CellHistory:
    """Return a searched cell with a trial at each of `ENCODERS`, and a failed one."""
    place = cell(stragglers)
    origin, lost = landscape(stragglers, 0.0, 0.0), stragglers / 200
    baselines = {"bacc": 1.3 * origin, "nercc_ag": origin, "replication": 0.9 * lost**4, "uncoded": 0.9 * lost}
    failed = replace(trial(place, len(ENCODERS), None), lambda_enc=5e-3, lambda_dec=1e-8)
    return CellHistory(
        cell=place,
        goal=goal or Goal(),
        baselines={name: score(error) for name, error in baselines.items()},
        trials=(*(_on_landscape(place, number, value) for number, value in enumerate(ENCODERS)), failed),
    )


def study_history(
    *,
    stragglers: tuple[int, ...] = COUNTS,
    is_judged: bool = True,
    has_labels: bool = True,
    goal: Goal | None = None,
    search: Mapping[str, object] | None = None,
) -> StudyHistory:
    """Return a study on the landscapes; `search` overrides settings of its file."""
    history = StudyHistory(
        name="lenet5-mnist",
        digest="0" * 64,
        spec={**SPEC, "search": {**SPEC["search"], **(search or {})}},
        decoder_grid=GRID,
        workload=WORKLOAD,
        cells=tuple(cell_history(count, goal=goal) for count in stragglers),
        provenance=PROVENANCE,
    )
    return finished(history, has_labels=has_labels) if is_judged else history


def tuned_table(*, stragglers: tuple[int, ...] = COUNTS, has_labels: bool = True) -> TunedTable:
    return TunedTable.from_history(study_history(stragglers=stragglers, has_labels=has_labels))


def _on_landscape(place: Cell, proposal: int, lambda_enc: float) -> TrialRecord:
    profile = tuple(landscape(place.stragglers, lambda_enc, value) for value in GRID)
    least = min(range(len(GRID)), key=profile.__getitem__)
    record = trial(place, proposal, profile[least])
    return replace(record, lambda_enc=lambda_enc, lambda_dec=GRID[least], profile=profile)


def _candidate(goal: Goal, record: TrialRecord) -> Candidate:
    assert record.score is not None
    tuning = goal.value(record.score)
    return Candidate(proposal=record.proposal, tuning=tuning, fresh=1.05 * tuning, is_feasible=True)
