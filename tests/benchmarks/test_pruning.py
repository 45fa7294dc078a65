"""What pruning saves and costs: forward passes and the best error, with and without a pruner.

`uv run pytest tests/benchmarks/test_pruning.py -m slow -s` prints the table; it needs MNIST.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nercc_tune.home.shipped import find_study
from nercc_tune.inference import Draws, ForwardEngine, Inference, MaskSource, OutputStore, split_queries
from nercc_tune.records import WorkloadInfo
from nercc_tune.records.timings import Timings
from nercc_tune.selection import search_forwards
from nercc_tune.spec import StudySpec, load_study
from nercc_tune.tuning import Ledger, Patience, Progress, Proposals, Search, open_cells, open_storage, read_history
from nercc_tune.workloads import load_workload

PRUNERS = ("none", "median", "wilcoxon")
# The best pair found with a pruner is at most this much worse: a pruned encoder was hopeless, and is not sampled near.
WORSE = 1.02


def _draws(data_root: Path, pruner: str) -> tuple[StudySpec, Draws, MaskSource]:
    overrides = [
        "code.stragglers=[20, 40, 80]",
        "evaluation.tuning_groups=24",
        "evaluation.tuning_masks=10",
        "search.trials=30",
        "search.patience=0",
        f"search.pruner={pruner}",
        "search.blocks=8",
    ]
    spec = load_study(find_study("lenet5-mnist"), overrides=overrides)
    workload = load_workload(spec.workload, home=data_root / "no-home", data_dir=data_root)
    masks = MaskSource.of(spec)
    inference = Inference(
        spec=spec,
        workload=workload,
        split=split_queries(spec, len(workload.data)),
        masks=masks,
        engine=ForwardEngine(workload.model, device=torch.device("cpu")),
        store=OutputStore(None, memory_mb=4096),
        timings=Timings(),
    )
    return spec, inference.draw("tuning"), masks


def _search(data_root: Path, pruner: str, folder: Path) -> tuple[float, dict[int, float], int]:
    """Return the forward passes, the best error of each cell, and how many proposals were pruned."""
    spec, tuning, masks = _draws(data_root, pruner)
    storage = open_storage(f"sqlite:///{folder}/{pruner}.db")
    info = WorkloadInfo(
        model="lenet5",
        data="mnist",
        fingerprint="f",
        weights_source="shipped",
        query_shape=(1, 32, 32),
        outputs=10,
        uncoded_accuracy=tuning.uncoded_accuracy,
    )
    studies = open_cells(storage, spec, masks.cells, info)
    search = Search(
        progress=Progress(proposals=Proposals(spec=spec, studies=studies), ledger=Ledger(storage, spec.name)),
        evaluators=tuning.evaluators,
        timings=Timings(),
        patience=Patience(url="", retry_s=0),
        sweep_s=60,
    )
    search.run()
    history = read_history(storage, spec.name)
    best = {cell.cell.stragglers: cell.best.score.mse for cell in history.cells if cell.best and cell.best.score}
    pruned = sum(trial.pruned_after is not None for trial in history.cells[0].trials)
    return search_forwards(history), best, pruned


@pytest.mark.slow
def test_pruning_saves_forward_passes(data_root: Path, tmp_path: Path) -> None:
    print("\n| pruner | pruned of 30 | forward passes | best error, to none |")
    results = {pruner: _search(data_root, pruner, tmp_path) for pruner in PRUNERS}
    _, unpruned, _ = results["none"]
    for pruner, (forwards, best, pruned) in results.items():
        ratios = [best[stragglers] / unpruned[stragglers] for stragglers in unpruned]
        print(f"| {pruner} | {pruned} | {forwards:.1f} | {max(ratios):.4f} |")
        assert max(ratios) < WORSE
    assert results["none"][2] == 0
    assert results["wilcoxon"][0] < results["none"][0]
    assert results["median"][0] < results["none"][0]
