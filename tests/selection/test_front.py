from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.selection import CrossedBootstrap, judge
from tests.fakes import tiny_spec
from tests.selection.fakes import searched


def _dominates(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return first != second and first[0] <= second[0] and first[1] >= second[1]


def test_a_front_is_not_dominated_and_is_judged(tmp_path: Path) -> None:
    spec = tiny_spec("search.objective=pareto", "search.strategy=joint", "search.trials=12")
    judge_, history = searched(spec, tmp_path)
    for cell in history.cells:
        entry = judge_.entries(history, forwards=9)[cell.cell.stragglers]
        points = [(point.tuning.prob_mse, point.tuning.rel_acc or 0.0) for point in entry.front]
        everything = [(trial.score.prob_mse, trial.score.rel_acc or 0.0) for trial in cell.trials if trial.score]
        assert len(points) >= 2
        assert points == sorted(points)
        assert not any(_dominates(other, point) for other in everything for point in points)
        for other in everything:
            assert other in points or any(_dominates(point, other) for point in points)
        scores = {trial.proposal: trial.score for trial in cell.trials}
        bootstrap = CrossedBootstrap.draw(groups=4, masks=5, resamples=100, seed=0)
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        for point in entry.front:
            metrics = evaluator.metrics(point.design, point.lambda_enc, point.lambda_dec)
            assert point.heldout == judge(metrics, bootstrap)
            assert point.tuning == scores[point.proposal]


def test_a_long_front_is_thinned_out_between_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny_spec("search.objective=pareto", "search.strategy=joint", "search.trials=12")
    judge_, history = searched(spec, tmp_path)
    whole = judge_.entries(history, forwards=9)[2].front
    assert len(whole) > 2
    monkeypatch.setattr("nercc_tune.selection.judging._MOST_OF_FRONT", 2)
    assert judge_.entries(history, forwards=9)[2].front == (whole[0], whole[-1])
