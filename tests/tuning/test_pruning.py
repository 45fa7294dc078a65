from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from optuna.trial import TrialState
from typing_extensions import override

from nercc_tune.inference import CellEvaluator
from nercc_tune.records import CellHistory, Design, Encoding, Option, Parameter, Reading
from nercc_tune.selection import search_forwards
from nercc_tune.spec import StudySpec
from tests.fakes import Bench, FailsOnSmooth, bench, timeless, tiny_model, tiny_spec, tiny_workload

PRUNERS = ("wilcoxon", "median")
TRIALS = 12


def _spec(pruner: str, *more: str) -> StudySpec:
    return tiny_spec(
        f"search.pruner={pruner}",
        "search.sampler=random",
        f"search.trials={TRIALS}",
        "search.patience=0",
        "evaluation.tuning_groups=8",
        *more,
    )


def _searched(folder: Path, spec: StudySpec) -> Bench:
    study = bench(spec, folder)
    study.measure_baselines()
    study.search().run()
    return study


def _pruned(cell: CellHistory) -> dict[int, int]:
    """Return the blocks of each pruned proposal."""
    return {trial.proposal: trial.pruned_after for trial in cell.trials if trial.pruned_after is not None}


@pytest.mark.parametrize("strategy", ["profile", "joint"])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_hopeless_encoders_are_given_up(pruner: str, strategy: str, tmp_path: Path) -> None:
    """Of λ_enc from 1e-8 to 1 those near 1 make five queries almost one."""
    study = _searched(tmp_path, _spec(pruner, f"search.strategy={strategy}"))
    history = study.history()
    first, second = history.cells
    assert _pruned(first) == _pruned(second)
    assert 2 <= len(_pruned(first)) < TRIALS
    assert all(1 <= blocks < 6 for blocks in _pruned(first).values())
    for trial in first.trials:
        assert (trial.score is None) == (trial.proposal in _pruned(first))
        assert trial.reason is None
    best = first.best
    assert best is not None
    hopeless = [trial.lambda_enc for trial in first.trials if trial.score is None]
    assert min(hopeless) > best.lambda_enc
    assert max(hopeless) > 0.01


@pytest.mark.parametrize("pruner", PRUNERS)
def test_what_is_given_up_is_pruned_in_optuna(pruner: str, tmp_path: Path) -> None:
    study = _searched(tmp_path, _spec(pruner))
    for cell in study.studies.values():
        for trial, record in zip(cell._study.trials, cell.records(), strict=True):
            is_pruned = record.pruned_after is not None
            assert trial.state == (TrialState.PRUNED if is_pruned else TrialState.COMPLETE)
            is_own = record.proposed_for == cell.cell.stragglers and record.proposal >= 2
            blocks = record.pruned_after or 6
            if record.proposal > 0 and (is_own or not is_pruned):
                assert list(trial.intermediate_values) == list(range(blocks))


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruned_trial_counts_by_its_share(pruner: str, tmp_path: Path) -> None:
    """Eight groups in six blocks: two of the blocks have two groups."""
    study = _searched(tmp_path, _spec(pruner))
    pruned = _pruned(study.history().cells[0])
    groups = [8 * blocks // 6 for blocks in pruned.values()]
    expected = 3 + TRIALS - len(pruned) + sum(groups) / 8
    assert study.tuning.outputs.forwards == pytest.approx(expected, rel=1e-12)
    assert study.tuning.outputs.forwards < 3 + TRIALS
    assert search_forwards(study.history()) == pytest.approx(expected, rel=1e-12)


def test_wilcoxon_compares_blocks_and_median_their_mean(tmp_path: Path) -> None:
    by_pruner = {}
    for pruner in PRUNERS:
        study = _searched(tmp_path / pruner, _spec(pruner, "search.trials=1"))
        trial = study.studies[2]._study.trials[1]
        record = study.studies[2].records()[1]
        by_pruner[pruner] = list(trial.intermediate_values.values())
        evaluator = study.tuning.evaluators[2]
        blocks = [evaluator.best(record.encoding, study.spec.readings, block=block)[0].score.mse for block in range(6)]
        means = [sum(blocks[: at + 1]) / (at + 1) for at in range(6)]
        assert by_pruner[pruner] == pytest.approx(blocks if pruner == "wilcoxon" else means, rel=1e-12)
    assert by_pruner["wilcoxon"][1:] != by_pruner["median"][1:]


def test_without_a_pruner_nothing_is_reported(tmp_path: Path) -> None:
    study = _searched(tmp_path, _spec("none"))
    assert len(study.tuning.outputs.blocks) == 1
    assert study.tuning.outputs.forwards == 3 + TRIALS
    for cell in study.studies.values():
        assert all(trial.intermediate_values == {} for trial in cell._study.trials)
        assert all(trial.state == TrialState.COMPLETE for trial in cell._study.trials)


def test_what_is_not_given_up_scores_as_without_a_pruner(tmp_path: Path) -> None:
    pruned = _searched(tmp_path / "pruned", _spec("wilcoxon")).history()
    full = _searched(tmp_path / "full", _spec("none")).history()
    for some, every in zip(pruned.cells, full.cells, strict=True):
        for trial, other in zip(some.trials, every.trials, strict=True):
            assert trial.lambda_enc == other.lambda_enc
            if trial.score is not None:
                assert other.score is not None
                assert trial.score.mse == pytest.approx(other.score.mse, rel=1e-4)  # batches of other sizes


def test_outputs_that_are_not_finite_fail_as_without_a_pruner(tmp_path: Path) -> None:
    workload = tiny_workload(FailsOnSmooth(tiny_model(), shortest=1.6))
    study = bench(_spec("wilcoxon"), tmp_path, workload=workload)
    study.search().run()
    for cell in study.history().cells:
        failed = [trial for trial in cell.trials if trial.reason]
        assert failed
        assert all("the model's outputs on coded queries must be finite" in (trial.reason or "") for trial in failed)
        assert all(trial.pruned_after is None for trial in failed)


class Stopped(CellEvaluator):
    """An evaluator that is interrupted at the given call of all that share the counter."""

    def __init__(self, inner: CellEvaluator, calls: list[None], *, at: int) -> None:
        self.inner = inner
        self.calls = calls
        self.at = at

    @override
    def best(self, encoding: Encoding, readings: Sequence[Reading], *, block: int | None = None) -> tuple[Option, ...]:
        self.calls.append(None)
        if len(self.calls) == self.at:
            raise KeyboardInterrupt
        return self.inner.best(encoding, readings, block=block)

    @override
    def option(self, design: Design, lambda_enc: float, parameter: Parameter) -> Option:
        return self.inner.option(design, lambda_enc, parameter)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_an_interrupted_search_gives_the_same_records(pruner: str, tmp_path: Path) -> None:
    """Stopped in the blocks of a trial, between its cells, and at a pruned one."""
    spec = _spec(pruner, "search.sampler=tpe")
    undisturbed = _searched(tmp_path / "at once", spec)
    for at in (18, 27, 11, 20, 9):
        stopped = bench(spec, tmp_path / "in parts")
        calls: list[None] = []
        evaluators = {s: Stopped(inner, calls, at=at) for s, inner in stopped.tuning.evaluators.items()}
        with pytest.raises(KeyboardInterrupt):
            stopped.search(evaluators).run()
    resumed = bench(spec, tmp_path / "in parts")
    resumed.search().run()
    for some, every in zip(resumed.history().cells, undisturbed.history().cells, strict=True):
        assert timeless(some.trials) == timeless(every.trials)
        assert _pruned(some)
