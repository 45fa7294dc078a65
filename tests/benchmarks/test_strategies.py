"""What each strategy costs: how near to a dense 64 × 64 grid the best pair is after so many forward passes.

`uv run pytest tests/benchmarks/test_strategies.py -m slow -s` prints the table; it needs MNIST.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nercc_tune.home.shipped import find_study
from nercc_tune.inference import (
    CellEvaluator,
    Draws,
    ForwardEngine,
    Inference,
    MaskSource,
    OutputStore,
    split_queries,
)
from nercc_tune.records import TrialRecord, WorkloadInfo
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec, load_study
from nercc_tune.tuning import Ledger, Patience, Progress, Proposals, Search, open_cells, open_storage
from nercc_tune.workloads import load_workload

GRID = 64
CHECKPOINTS = (5, 10, 15, 25, 40)
STRATEGIES = (("profile", "tpe"), ("profile", "gp"), ("joint", "tpe"), ("joint", "gp"))


@pytest.fixture(scope="module")
def draws(data_root: Path) -> tuple[StudySpec, Draws]:
    overrides = [
        "evaluation.tuning_groups=10",
        "evaluation.tuning_masks=10",
        "search.patience=0",
        "cache.memory_mb=4096",
        "cache.disk=false",
    ]
    spec = load_study(find_study("lenet5-mnist"), overrides=overrides)
    workload = load_workload(spec.workload, home=data_root / "no-home", data_dir=data_root)
    inference = Inference(
        spec=spec,
        workload=workload,
        split=split_queries(spec, len(workload.data)),
        masks=MaskSource.of(spec),
        engine=ForwardEngine(workload.model, device=torch.device("cpu")),
        store=OutputStore(None, memory_mb=spec.cache.memory_mb),
        timings=Timings(),
    )
    return spec, inference.draw("tuning")


@pytest.fixture(scope="module")
def dense(draws: tuple[StudySpec, Draws]) -> dict[int, float]:
    """Return the least MSE of each cell on a grid of 0 and 63 log-spaced values of both parameters."""
    spec, tuning = draws
    positive = torch.logspace(-14, 0, GRID - 1, dtype=torch.float64)
    grid = torch.cat([torch.zeros(1, dtype=torch.float64), positive])
    return {
        stragglers: min(_least(evaluator, spec, float(value), grid) for value in grid)
        for stragglers, evaluator in tuning.evaluators.items()
    }


def _least(evaluator: CellEvaluator, spec: StudySpec, lambda_enc: float, grid: Tensor) -> float:
    design = spec.reference
    truth = evaluator.drawn.truth(design, design.decode_space)
    answers = truth.answers(evaluator.drawn.answers(design.encoding(lambda_enc)))
    curve = evaluator.decoder(design.encoding(lambda_enc), design.reading).prepare(answers).error_curve(truth)
    assert curve is not None
    return float(curve(grid).mean(0).min())


def search(
    spec: StudySpec, tuning: Draws, strategy: str, sampler: str, *, folder: Path
) -> dict[int, list[TrialRecord]]:
    chosen = spec.model_copy(
        update={"search": spec.search.model_copy(update={"strategy": strategy, "sampler": sampler})}
    )
    info = WorkloadInfo(
        model="lenet5",
        data="mnist",
        fingerprint="",
        weights_source="shipped",
        query_shape=(1, 32, 32),
        outputs=10,
        uncoded_accuracy=1.0,
    )
    storage = open_storage(f"sqlite:///{folder}/{strategy}-{sampler}.db")
    studies = open_cells(storage, chosen, MaskSource.of(chosen).cells, info)
    found: dict[int, list[TrialRecord]] = {stragglers: [] for stragglers in studies}
    progress = Progress(
        proposals=Proposals(spec=chosen, studies=studies),
        ledger=Ledger(storage, chosen.name),
        on_trial=lambda study, record: found[study.cell.stragglers].append(record),
    )
    Search(
        progress=progress,
        evaluators=tuning.evaluators,
        timings=Timings(),
        patience=Patience(url="", retry_s=0),
        sweep_s=60,
    ).run()
    return found


def excess(trials: list[TrialRecord], proposals: int, given: int, least: float) -> float:
    """Return how far the best MSE after so many proposals lies above the dense grid's, as a share."""
    scores = [trial.score.mse for trial in trials if trial.score and trial.proposal < given + proposals]
    return min(scores) / least - 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is experimental:optuna.exceptions.ExperimentalWarning")
def test_excess_over_the_dense_grid(draws: tuple[StudySpec, Draws], dense: dict[int, float], tmp_path: Path) -> None:
    spec, tuning = draws
    counts = ", ".join(str(stragglers) for stragglers in dense)
    print(f"\nexcess over the {GRID} × {GRID} grid in the worst cell of S = {counts}, after so many proposals")
    for strategy, sampler in STRATEGIES:
        found = search(spec, tuning, strategy, sampler, folder=tmp_path)
        given = 2 if strategy == "profile" else 1
        worst = {
            proposals: max(excess(found[s], proposals, given, least) for s, least in dense.items())
            for proposals in CHECKPOINTS
        }
        print(f"{strategy:8} {sampler:4}", *(f"{count}: {value:+.2%}" for count, value in worst.items()))
        if strategy == "profile":
            assert worst[15] <= 0.01
