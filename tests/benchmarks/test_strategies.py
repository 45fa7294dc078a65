"""What each strategy costs: how near to a dense 64 × 64 grid the best pair is after so many forward passes.

`uv run pytest tests/benchmarks/test_strategies.py -m slow -s` prints the table; it needs MNIST.
"""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import torch

from nercc_tune.coding import node_set
from nercc_tune.inference import Draws, ForwardEngine, Inference, OutputStore, split_queries
from nercc_tune.library import find_study
from nercc_tune.records import TrialRecord, WorkloadInfo
from nercc_tune.spec import StudySpec, load_study
from nercc_tune.timings import Timings
from nercc_tune.tuning import Search, open_cells
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
        nodes=node_set(spec.code.nodes, queries=spec.code.queries, workers=spec.code.workers),
        engine=ForwardEngine(workload.model, device=torch.device("cpu")),
        store=OutputStore(None, memory_mb=spec.cache.memory_mb),
        timings=Timings(),
    )
    tuning = split_queries(spec, len(workload.data)).tuning
    return spec, inference.draw(tuning, masks=spec.evaluation.tuning_masks, stream=1)


@pytest.fixture(scope="module")
def dense(draws: tuple[StudySpec, Draws]) -> dict[int, float]:
    """Return the least MSE of each cell on a grid of 0 and 63 log-spaced values of both parameters."""
    _, tuning = draws
    lambda_enc = (0.0, *torch.logspace(-14, 0, GRID - 1, dtype=torch.float64).tolist())
    return {
        stragglers: min(min(evaluator.evaluate(value, 0.0, lambda_enc).profile) for value in lambda_enc)
        for stragglers, evaluator in tuning.evaluators.items()
    }


def search(spec: StudySpec, tuning: Draws, strategy: str, sampler: str) -> dict[int, list[TrialRecord]]:
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
    studies = open_cells(optuna.storages.InMemoryStorage(), chosen, info)
    found: dict[int, list[TrialRecord]] = {stragglers: [] for stragglers in studies}
    Search(
        spec=chosen,
        studies=studies,
        evaluators=tuning.evaluators,
        timings=Timings(),
        on_trial=lambda study, record: found[study.cell.stragglers].append(record),
    ).run()
    return found


def excess(trials: list[TrialRecord], proposals: int, given: int, least: float) -> float:
    """Return how far the best MSE after so many proposals lies above the dense grid's, as a share."""
    scores = [trial.score.mse for trial in trials if trial.score and trial.proposal < given + proposals]
    return min(scores) / least - 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is experimental:optuna.exceptions.ExperimentalWarning")
def test_excess_over_the_dense_grid(draws: tuple[StudySpec, Draws], dense: dict[int, float]) -> None:
    spec, tuning = draws
    counts = ", ".join(str(stragglers) for stragglers in dense)
    print(f"\nexcess over the {GRID} × {GRID} grid in the worst cell of S = {counts}, after so many proposals")
    for strategy, sampler in STRATEGIES:
        found = search(spec, tuning, strategy, sampler)
        given = 2 if strategy == "profile" else 1
        worst = {
            proposals: max(excess(found[s], proposals, given, least) for s, least in dense.items())
            for proposals in CHECKPOINTS
        }
        print(f"{strategy:8} {sampler:4}", *(f"{count}: {value:+.2%}" for count, value in worst.items()))
        if strategy == "profile":
            assert worst[15] <= 0.01
