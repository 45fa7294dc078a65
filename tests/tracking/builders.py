"""Small histories: two straggler counts, four proposals each, of which the third failed."""

from __future__ import annotations

from dataclasses import replace

from nercc_tune.records import (
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

DIGEST = "d1" * 32
START_MS = 1_700_000_000_000
MSES = (0.05, 0.04, None, 0.045)
"""By proposal; None where the trial failed."""


def cell(stragglers: int, *, study: str = "lenet5-mnist") -> Cell:
    return Cell(
        study=study,
        model="lenet5",
        data="mnist",
        queries=50,
        workers=200,
        stragglers=stragglers,
        nodes="chebyshev",
        decode_space="probabilities",
    )


def score(mse: float, *, rel_acc: float | None = 0.98) -> Score:
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


def trial(cell: Cell, proposal: int, mse: float | None) -> TrialRecord:
    started = START_MS + 1000 * proposal + cell.stragglers
    return TrialRecord(
        uid=f"{cell.name}#{proposal}",
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


def searched(stragglers: int, *, mses: tuple[float | None, ...] = MSES, study: str = "lenet5-mnist") -> CellHistory:
    place = cell(stragglers, study=study)
    return CellHistory(
        cell=place,
        baselines={"bacc": score(0.06), "nercc_ag": score(0.05), "uncoded": score(0.2, rel_acc=None)},
        trials=tuple(trial(place, proposal, mse) for proposal, mse in enumerate(mses)),
    )


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - 0.001, high=mean + 0.002)


def heldout(mse: float, *, rel_acc: float | None = 0.97) -> Heldout:
    return Heldout(
        mse=interval(mse),
        prob_mse=interval(mse / 2),
        rel_acc=None if rel_acc is None else interval(rel_acc),
        agreement=interval(0.96),
    )


def judged(history: CellHistory) -> CellHistory:
    place, best = history.cell, history.best
    assert best is not None
    assert best.score is not None
    entry = TunedEntry(
        model=place.model,
        data=place.data,
        queries=place.queries,
        workers=place.workers,
        stragglers=place.stragglers,
        nodes=place.nodes,
        decode_space=place.decode_space,
        domain=(-1.0, 1.0),
        lambda_enc=best.lambda_enc,
        lambda_dec=best.lambda_dec,
        df_enc=31.4,
        df_dec=58.2,
        tuning=best.score,
        heldout=heldout(0.042),
        baselines={"bacc": heldout(0.061), "uncoded": heldout(0.2, rel_acc=None)},
        mse_minus={"bacc": interval(-0.019)},
        trials=3,
        forwards=4,
    )
    return replace(history, entry=entry)


def study(*cells: CellHistory, name: str = "lenet5-mnist") -> StudyHistory:
    """Return a study that is being searched."""
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
        workload=WorkloadInfo(
            model="lenet5",
            data="mnist",
            fingerprint="f1" * 32,
            weights_source="trained, seed 0",
            query_shape=(1, 32, 32),
            outputs=10,
            uncoded_accuracy=0.989,
        ),
        cells=cells or (searched(40), searched(60)),
    )


def finished(history: StudyHistory) -> StudyHistory:
    """Return the study with its choice, policy and provenance."""
    entries = tuple(
        PolicyEntry(stragglers=item.cell.stragglers, lambda_dec=2e-9, df_dec=60.0, heldout=heldout(0.043))
        for item in history.cells
    )
    return replace(
        history,
        cells=tuple(judged(item) for item in history.cells),
        policy=Policy(lambda_enc=1e-7, df_enc=33.0, entries=entries),
        provenance=Provenance(versions={}, git_commit="abc1234def5678", device="cpu", precision="fp32"),
    )
