"""The real protocol of a search worker, measured without a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage, get_storage

from nercc_tune.records import Cell, Score, TrialRecord, WorkloadInfo, to_json
from nercc_tune.spec import StudySpec, build_study
from nercc_tune.tuning import Ledger, Progress, Proposals, closing_storage, open_cells, open_storage

from .costs import DESIGNED, READINGS
from .meter import Meter, Moment

SWEEP_EVERY = 20  # proposals
REREADINGS = 5


def measure_protocol(url: str, *, cells: int, proposals: int) -> Meter:
    """Bring proposals to all cells as a search worker does, without a model, and then read all of them anew."""
    spec = _spec(cells, proposals)
    with closing_storage(open_storage(url)) as storage:
        progress = _progress(storage, spec)
        progress.refresh()
        meter = Meter(storage)
        for number in range(proposals):
            _bring(progress, meter, is_sweep=number % SWEEP_EVERY == 0)
    for _ in range(REREADINGS):
        with closing_storage(open_storage(url)) as storage:
            _reread(_progress(storage, spec), storage, meter.samples)
    return meter


def _reread(progress: Progress, storage: RDBStorage, samples: dict[str, list[tuple[Moment, Moment]]]) -> None:
    """Add what one lease, trial and record costs where all are read at once."""
    reader, study = Meter(storage), next(iter(progress.proposals.studies.values()))
    trials = optuna.load_study(study_name=study.cell.name, storage=get_storage(storage))
    total = progress.proposals.spec.search.trials
    readings: tuple[Callable[[], object], ...] = (
        progress.ledger.finished,
        lambda: trials.get_trials(deepcopy=False),
        study.records,
    )
    for name, read in zip(READINGS, readings, strict=True):
        with reader.measure(name):
            read()
        (((wall, cpu, _), held),) = reader.samples[name]
        samples.setdefault(name, []).append(((wall / total, cpu / total, 0.0), held))


def _bring(progress: Progress, meter: Meter, *, is_sweep: bool) -> None:
    """Do all that `Search` does for one proposal, except for the forward and the decoding."""
    ledger, proposals = progress.ledger, progress.proposals
    if is_sweep:
        with meter.measure("sweep"):
            ledger.sweep()
    with meter.measure("refresh"):
        progress.refresh()
    with meter.measure("take"):
        lease = ledger.take(budget=proposals.budget, may_begin=True)
    if lease is None:
        raise RuntimeError("The budget is used up.")
    with meter.measure("sample"):
        sampled = proposals.sample(lease.proposal + DESIGNED, planned=None)
    owner = sampled.proposal.proposed_for
    with meter.measure("plan"):
        ledger.note_plan(lease, to_json(sampled.proposal))
    with meter.measure("look"):
        ledger.holds(lease)
    for stragglers, study in proposals.studies.items():
        record = _record(study.cell, sampled.proposal.number, sampled.proposal.encoding.lambda_enc)
        if stragglers == owner:
            with meter.measure("tell"):
                proposals.give_rest(sampled, record)
                progress.keep(stragglers, study.tell(sampled.trial, record))
        else:
            with meter.measure("add"):
                progress.keep(stragglers, study.add(record))
    with meter.measure("finish"):
        ledger.finish(lease)


def _spec(cells: int, proposals: int) -> StudySpec:
    return build_study(
        {
            "name": f"scaling-{cells}",
            "workload": {"model": "lenet5", "data": "mnist"},
            "code": {"queries": 50, "workers": 200, "stragglers": [20 * (cell + 1) for cell in range(cells)]},
            "search": {"trials": proposals, "patience": 0},
        }
    )


def _progress(storage: RDBStorage, spec: StudySpec) -> Progress:
    shape: dict[str, Any] = {"study": spec.name, "model": "lenet5", "data": "mnist", "queries": 50, "workers": 200}
    cells = [Cell(**shape, stragglers=lost, fewest=lost, weight=1.0) for lost in spec.code.stragglers]
    info = WorkloadInfo(
        model="lenet5",
        data="mnist",
        fingerprint="0" * 64,
        weights_source="none",
        query_shape=(1, 32, 32),
        outputs=10,
        uncoded_accuracy=1.0,
    )
    studies = open_cells(storage, spec, cells, info)
    return Progress(proposals=Proposals(spec=spec, studies=studies), ledger=Ledger(storage, spec.name))


def _record(cell: Cell, proposal: int, lambda_enc: float) -> TrialRecord:
    """Return a record as large as usual: a score and the profile of 57 λ_dec."""
    worth = abs(np.sin(proposal)) + 0.1
    names = [item.name for item in fields(Score)]
    return TrialRecord(
        uid=f"{cell.name}#{proposal}",
        number=0,
        proposal=proposal,
        proposed_for=cell.stragglers,
        lambda_enc=lambda_enc,
        lambda_dec=1e-9,
        score=Score(**dict.fromkeys(names, float(worth))),
        profile=tuple(float(value) for value in worth * np.linspace(1, 2, 57)),
        started_ms=0,
        finished_ms=1,
    )
