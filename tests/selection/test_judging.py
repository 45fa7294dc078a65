from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.coding import NerccCode
from nercc_tune.errors import OutputError
from nercc_tune.records import BASELINES, CellHistory, StudyHistory
from nercc_tune.selection import CrossedBootstrap, Judge, judge, mse_difference
from nercc_tune.spec import StudySpec
from tests.fakes import bench, draw, tiny_spec


def _searched(spec: StudySpec, folder: Path) -> tuple[Judge, StudyHistory]:
    study = bench(spec, folder)
    study.measure_baselines()
    study.search().run()
    return Judge(spec=spec, tuning=study.tuning, heldout=draw(spec, heldout=True)), study.history()


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judge, StudyHistory]:
    return _searched(tiny_spec(), tmp_path_factory.mktemp("judged"))


def _bootstrap() -> CrossedBootstrap:
    return CrossedBootstrap.draw(groups=4, masks=5, resamples=100, seed=0)


def _failed(cell: CellHistory) -> CellHistory:
    trials = tuple(replace(trial, score=None, profile=(), reason="not finite") for trial in cell.trials)
    return replace(cell, trials=trials)


def test_an_entry_holds_the_best_pair_of_the_tuning_draws(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    for cell in history.cells:
        entry = judge_.entry(cell, forwards=9)
        scores = [trial.score.mse for trial in cell.trials if trial.score is not None]
        assert entry.tuning.mse == min(scores)
        again = judge_.tuning.evaluators[entry.stragglers].pair_metrics(entry.lambda_enc, entry.lambda_dec)
        assert again.score() == entry.tuning
        assert (entry.trials, entry.forwards) == (len(cell.trials), 9)


def test_an_entry_is_judged_on_the_heldout_draws(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    for cell in history.cells:
        entry = judge_.entry(cell, forwards=9)
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        tuned = evaluator.pair_metrics(entry.lambda_enc, entry.lambda_dec)
        assert entry.heldout == judge(tuned, _bootstrap())
        assert entry.heldout.mse.mean == pytest.approx(float(tuned.mse.mean()), rel=1e-12)
        assert entry.heldout.mse.mean != entry.tuning.mse
        assert set(entry.baselines) == set(BASELINES)
        for name, heldout in entry.baselines.items():
            assert heldout == judge(evaluator.baseline_metrics(name), _bootstrap())


def test_the_paired_difference_is_that_of_the_means(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    for cell in history.cells:
        entry = judge_.entry(cell, forwards=9)
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        tuned = evaluator.pair_metrics(entry.lambda_enc, entry.lambda_dec)
        assert set(entry.mse_minus) == {"bacc", "nercc_ag"}
        for name, difference in entry.mse_minus.items():
            other = entry.baselines[name].mse
            assert difference.mean == pytest.approx(entry.heldout.mse.mean - other.mean, abs=1e-12)
            assert difference == mse_difference(tuned, evaluator.baseline_metrics(name), _bootstrap())


def test_degrees_of_freedom_are_those_of_the_code(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    for cell in history.cells:
        entry = judge_.entry(cell, forwards=9)
        evaluator = judge_.tuning.evaluators[entry.stragglers]
        code = NerccCode(evaluator.nodes, lambda_enc=entry.lambda_enc, lambda_dec=entry.lambda_dec)
        assert entry.df_enc == code.df_enc
        assert 2 <= entry.df_enc <= 5
        assert entry.df_dec == pytest.approx(code.df_dec(evaluator.arrived), rel=1e-6)


def test_zero_wins_where_nothing_is_better(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    cell = history.cells[0]
    only_zero = replace(cell, trials=cell.trials[:1])
    entry = judge_.entry(only_zero, forwards=3)
    assert (entry.lambda_enc, entry.lambda_dec) == (0.0, 0.0)
    assert entry.heldout == entry.baselines["nercc_ag"]
    assert (entry.mse_minus["nercc_ag"].low, entry.mse_minus["nercc_ag"].high) == (0.0, 0.0)


@pytest.mark.parametrize("strategy", ["profile", "joint"])
def test_the_policy_has_the_least_mean_regret(strategy: str, tmp_path: Path) -> None:
    spec = tiny_spec(f"search.strategy={strategy}", "search.sampler=random", "search.trials=5")
    judge_, history = _searched(spec, tmp_path)
    before = judge_.tuning.outputs.forwards
    chosen = judge_.policy_of(history)
    assert judge_.tuning.outputs.forwards == before
    encoders = sorted({trial.lambda_enc for trial in history.cells[0].trials})
    evaluators = judge_.tuning.evaluators
    best = {
        (s, encoder): evaluators[s].evaluate(encoder, None, spec.decoder_grid)
        for s in evaluators
        for encoder in encoders
    }
    least = {s: min(best[s, encoder].score.mse for encoder in encoders) for s in evaluators}
    regrets = [np.mean([best[s, encoder].score.mse / least[s] for s in evaluators]) for encoder in encoders]
    assert chosen.lambda_enc == encoders[int(np.argmin(regrets))]
    for s in evaluators:
        assert chosen.lambda_dec[s] == best[s, chosen.lambda_enc].lambda_dec


def test_the_policy_is_judged_on_the_heldout_draws(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    chosen = judge_.policy_of(history)
    policy = judge_.policy(chosen)
    assert policy.lambda_enc == chosen.lambda_enc
    assert [entry.stragglers for entry in policy.entries] == [2, 4]
    for entry in policy.entries:
        metrics = judge_.heldout.evaluators[entry.stragglers].pair_metrics(policy.lambda_enc, entry.lambda_dec)
        assert entry.lambda_dec == chosen.lambda_dec[entry.stragglers]
        assert entry.heldout == judge(metrics, _bootstrap())
        assert entry.df_dec == judge_.tuning.evaluators[entry.stragglers].df_dec(entry.lambda_dec)


def test_failed_trials_are_no_candidates(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    cell = history.cells[1]
    best = cell.best
    assert best is not None
    without = tuple(replace(t, score=None, profile=(), reason="nan") if t is best else t for t in cell.trials)
    entry = judge_.entry(replace(cell, trials=without), forwards=9)
    assert entry.tuning.mse > (best.score.mse if best.score else 0)
    assert entry.trials == len(cell.trials) - 1


def test_a_cell_without_a_completed_trial_is_refused(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    with pytest.raises(OutputError, match=r"no trial of tiny/K5-N12-S2 succeeded, so there is no pair to choose"):
        judge_.entry(_failed(history.cells[0]), forwards=9)


def test_a_policy_needs_an_encoder_that_every_cell_has(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    broken = replace(history, cells=(_failed(history.cells[0]), *history.cells[1:]))
    with pytest.raises(OutputError, match="no proposal had finite outputs in every cell"):
        judge_.policy_of(broken)
