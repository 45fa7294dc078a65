from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection

from nercc_tune.records import CellHistory, Goal, Metric, Score, TrialRecord
from tests.fakes import Bench, bench, tiny_spec

SCORE = Score(
    mse=2.0,
    prob_mse=0.3,
    accuracy=0.6,
    rel_acc=0.8,
    agreement=0.7,
    mse_p95=2.0,
    prob_mse_p95=0.3,
    rel_acc_p5=0.5,
    agreement_p5=0.7,
)
FLOOR = "search.min_agreement=0.75"


@pytest.mark.parametrize(
    ("metric", "value", "error", "is_maximised"),
    [
        ("mse", 2.0, 2.0, False),
        ("prob_mse", 0.3, 0.3, False),
        ("agreement", 0.7, 0.3, True),
        ("rel_acc", 0.8, 0.3, True),
        ("pareto", 0.3, 0.3, False),
    ],
)
def test_a_goal_reads_its_metric_and_its_error(
    metric: Metric, value: float, error: float, *, is_maximised: bool
) -> None:
    goal = Goal(metric=metric)
    assert (goal.value(SCORE), goal.error_of(SCORE), goal.is_maximised) == (value, error, is_maximised)
    assert goal.rank(SCORE) == (0.0, -value if is_maximised else value, error)
    assert not goal.has_floor


def test_shortfalls_are_positive_where_a_floor_is_missed() -> None:
    goal = Goal(min_rel_acc=0.9, min_agreement=0.6)
    assert goal.shortfalls(SCORE) == pytest.approx({"rel_acc": 0.1, "agreement": -0.1})
    assert goal.shortfall(SCORE) == pytest.approx(0.1)
    assert goal.shortfall(replace(SCORE, rel_acc=0.95)) == 0.0
    assert goal.shortfall(replace(SCORE, agreement=0.4)) == pytest.approx(0.3)
    assert goal.has_floor


def test_an_undefined_accuracy_counts_as_none() -> None:
    undefined = replace(SCORE, rel_acc=None)
    assert Goal(metric="rel_acc").value(undefined) == 0.0
    assert Goal(min_rel_acc=0.9).shortfall(undefined) == pytest.approx(0.9)


def test_floors_go_before_the_metric_and_the_metric_before_the_error() -> None:
    goal = Goal(metric="agreement", min_rel_acc=0.8)
    missed = replace(SCORE, rel_acc=0.79, agreement=1.0)
    nearer = replace(SCORE, rel_acc=0.795, agreement=0.1)
    smaller = replace(SCORE, prob_mse=0.2)
    ranked = sorted([missed, nearer, SCORE, smaller], key=goal.rank)
    assert ranked == [smaller, SCORE, nearer, missed]


def test_rounding_neither_misses_a_floor_nor_tells_equal_shares_apart() -> None:
    """A mean of shares is 0.9 or the number before it, depending on the order of its terms."""
    before = 0.8999999999999999
    assert Goal(min_agreement=0.9).shortfall(replace(SCORE, agreement=before)) == 0.0
    first, second = replace(SCORE, agreement=0.9), replace(SCORE, agreement=before, prob_mse=0.2)
    assert Goal(metric="agreement").rank(second) < Goal(metric="agreement").rank(first)


def _searched(folder: Path, *overrides: str) -> Bench:
    study = bench(tiny_spec("search.patience=0", *overrides), folder)
    study.measure_baselines()
    study.search().run()
    return study


def _ranked(cell: CellHistory) -> list[TrialRecord]:
    return list(cell.ranked)


@pytest.mark.parametrize("objective", ["agreement", "rel_acc", "prob_mse"])
@pytest.mark.parametrize("strategy", ["profile", "joint"])
def test_another_goal_is_what_optuna_sees(objective: Metric, strategy: str, tmp_path: Path) -> None:
    study = _searched(tmp_path, f"search.objective={objective}", f"search.strategy={strategy}", "search.trials=4")
    goal = Goal(metric=objective)
    expected = StudyDirection.MAXIMIZE if goal.is_maximised else StudyDirection.MINIMIZE
    for cell, history in zip(study.studies.values(), study.history().cells, strict=True):
        assert cell._study.direction == expected
        for trial, record in zip(cell._study.trials, history.trials, strict=True):
            assert record.score is not None
            assert trial.value == getattr(record.score, objective)
        best = history.best
        assert best is not None
        assert best.score is not None
        assert cell._study.best_value == getattr(best.score, objective)
        assert history.goal == goal
        ranks = [goal.rank(trial.score) for trial in _ranked(history) if trial.score]
        assert ranks == sorted(ranks)


@pytest.mark.parametrize("objective", ["agreement", "rel_acc"])
def test_a_profile_maximises_over_the_decoder_too(objective: Metric, tmp_path: Path) -> None:
    study = _searched(tmp_path, f"search.objective={objective}", "search.trials=3")
    goal = study.spec.search.goal
    for cell in study.history().cells:
        evaluator = study.tuning.evaluators[cell.cell.stragglers]
        for trial in cell.trials[1:]:
            assert trial.score is not None
            metrics = evaluator.decoding(trial.design, trial.lambda_enc)
            on_grid = [goal.rank(metrics(smoothing).score()) for smoothing in study.spec.decoder_grid]
            assert goal.rank(trial.score) <= min(on_grid)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
@pytest.mark.parametrize("strategy", ["profile", "joint"])
@pytest.mark.filterwarnings("ignore:.*is experimental:optuna.exceptions.ExperimentalWarning")
def test_floors_are_constraints_of_told_and_added_trials(strategy: str, sampler: str, tmp_path: Path) -> None:
    overrides = (FLOOR, f"search.strategy={strategy}", f"search.sampler={sampler}", "search.trials=4")
    study = _searched(tmp_path, *overrides)
    goal = study.spec.search.goal
    for cell in study.studies.values():
        loaded = optuna.load_study(study_name=cell.cell.name, storage=study.storage)
        for trial, record in zip(loaded.trials, cell.records(), strict=True):
            assert record.score is not None
            assert trial.constraints == {"agreement": goal.shortfalls(record.score)["agreement"]}


def test_optunas_best_trial_keeps_the_floor(tmp_path: Path) -> None:
    study = _searched(tmp_path, "search.min_rel_acc=0.95", "search.sampler=random", "search.strategy=joint")
    goal, history = study.spec.search.goal, study.history().cells[0]
    scores = {trial.number: trial.score for trial in history.trials if trial.score}
    kept = {number: score for number, score in scores.items() if goal.shortfall(score) == 0}
    best = study.studies[2]._study.best_trial
    assert best.number == _ranked(history)[0].number
    assert best.value == min(score.mse for score in kept.values())
    assert 0 < len(kept) < len(scores)
    assert best.value > min(score.mse for score in scores.values())


def test_pareto_has_two_directions(tmp_path: Path) -> None:
    study = _searched(tmp_path, "search.objective=pareto", "search.strategy=joint", "search.trials=6")
    for cell in study.studies.values():
        assert cell._study.directions == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
        for trial, record in zip(cell._study.trials, cell.records(), strict=True):
            assert record.score is not None
            assert trial.values == [record.score.prob_mse, record.score.rel_acc or 0.0]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "grid"])
def test_every_sampler_searches_for_a_front(sampler: str, tmp_path: Path) -> None:
    overrides = ("search.objective=pareto", "search.strategy=joint", "search.patience=1")
    study = bench(tiny_spec(*overrides, f"search.sampler={sampler}", "search.trials=12", FLOOR), tmp_path)
    assert study.search().run() == (10 if sampler == "grid" else 13)  # 3 × 3 points; a front is never cut short
