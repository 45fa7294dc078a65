from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from typing_extensions import override

from nercc_tune.errors import OutputError
from nercc_tune.inference import CellEvaluator
from nercc_tune.records import Design, Encoding, Option, Parameter, Reading, TrialRecord
from nercc_tune.tuning.samplers import sampler_for
from tests.fakes import Bench, FailsOnSmooth, bench, timeless, tiny_model, tiny_spec, tiny_workload


class Refusing(CellEvaluator):
    """An evaluator whose outputs are not finite above some λ_enc."""

    def __init__(self, inner: CellEvaluator, *, above: float) -> None:
        self.inner = inner
        self.above = above

    @override
    def best(self, encoding: Encoding, readings: Sequence[Reading], *, block: int | None = None) -> tuple[Option, ...]:
        self._check(encoding.lambda_enc)
        return self.inner.best(encoding, readings, block=block)

    @override
    def option(self, design: Design, lambda_enc: float, parameter: Parameter) -> Option:
        self._check(lambda_enc)
        return self.inner.option(design, lambda_enc, parameter)

    def _check(self, lambda_enc: float) -> None:
        if lambda_enc > self.above:
            raise OutputError("3 of 36 outputs are not finite.")


def _mse(evaluator: CellEvaluator, lambda_enc: float, lambda_dec: Sequence[float]) -> list[float]:
    """Return the mean MSE of the quadratic form at each λ_dec, in float64."""
    design = evaluator.drawn.reference
    truth = evaluator.drawn.truth(design, design.decode_space)
    answers = truth.answers(evaluator.drawn.answers(design.encoding(lambda_enc)))
    curve = evaluator.decoder(design.encoding(lambda_enc), design.reading).prepare(answers).error_curve(truth)
    assert curve is not None
    mean: list[float] = curve(torch.tensor(lambda_dec, dtype=torch.float64)).mean(0).tolist()
    return mean


def _trials(study: Bench) -> dict[int, tuple[TrialRecord, ...]]:
    return {cell.cell.stragglers: cell.trials for cell in study.history().cells}


def test_the_first_proposals_are_zero(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.trials=1"), tmp_path)
    study.search().run()
    for stragglers, trials in _trials(study).items():
        assert (trials[0].lambda_enc, trials[0].lambda_dec) == (0.0, 0.0)
        assert trials[0].proposal == 0
        assert trials[0].score == study.tuning.evaluators[stragglers].baseline_metrics("nercc_ag").score()
        assert trials[1].lambda_enc == 0.0


def test_a_joint_search_starts_with_zero_and_then_asks(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.strategy=joint", "search.trials=2"), tmp_path)
    assert study.search().run() == 3
    for trials in _trials(study).values():
        assert [(trial.lambda_enc, trial.lambda_dec) == (0.0, 0.0) for trial in trials] == [True, False, False]


def test_every_proposal_reaches_every_cell(tmp_path: Path) -> None:
    study = bench(tiny_spec("code.stragglers=[0, 2, 4]"), tmp_path)
    assert study.search().run() == 8
    by_cell = list(_trials(study).values())
    for trials in by_cell:
        assert sorted(trial.proposal for trial in trials) == list(range(8))
    for proposal in range(8):
        assert len({trials[proposal].lambda_enc for trials in by_cell}) == 1
        assert len({trials[proposal].uid for trials in by_cell}) == 3
    assert [trial.proposed_for for trial in by_cell[0][2:]] == [0, 2, 4, 0, 2, 4]


def test_one_forward_serves_all_cells(tmp_path: Path) -> None:
    """Five straggler counts and 40 proposals take 40 forwards, and those of uncoded, BACC and (0, 0)."""
    study = bench(tiny_spec("code.stragglers=[0, 1, 2, 3, 4]", "search.trials=40", "search.patience=0"), tmp_path)
    study.measure_baselines()
    assert study.tuning.outputs.forwards == 3
    study.search().run()
    assert study.tuning.outputs.forwards == 40 + 3
    assert {len(trials) for trials in _trials(study).values()} == {42}


def test_profile_records_the_best_decoder_smoothing(tmp_path: Path) -> None:
    """No λ_dec of a dense grid beats the recorded one by more than rounding it to three digits costs."""
    study = bench(tiny_spec("search.sampler=grid", "search.trials=5"), tmp_path)
    study.search().run()
    dense = (0.0, *(10 ** (-8 + 8 * step / 400) for step in range(401)))
    for stragglers, trials in _trials(study).items():
        evaluator = study.tuning.evaluators[stragglers]
        for trial in trials[1:]:
            assert trial.score is not None
            least = min(_mse(evaluator, trial.lambda_enc, dense))
            assert trial.score.mse <= least * (1 + 1e-4)
            assert trial.lambda_dec == float(f"{trial.lambda_dec:.2e}")
            exact = evaluator.metrics(trial.design, trial.lambda_enc, trial.lambda_dec).score()
            assert trial.score == exact


def test_profile_finds_three_digits(tmp_path: Path) -> None:
    """A step of 1 % to either side is worse."""
    study = bench(tiny_spec("search.sampler=grid", "search.trials=5"), tmp_path)
    study.search().run()
    inside = 0
    for stragglers, trials in _trials(study).items():
        evaluator = study.tuning.evaluators[stragglers]
        for trial in trials[1:]:
            if 1e-8 < trial.lambda_dec < 1.0:
                inside += 1
                around = [trial.lambda_dec * factor for factor in (1.0, 0.99, 1.01)]
                best, below, above = _mse(evaluator, trial.lambda_enc, around)
                assert best < min(below, above)
    assert inside >= 4


def test_profile_stays_inside_the_decoder_range(tmp_path: Path) -> None:
    spec = tiny_spec("search.lambda_dec={ low = 1.004e-8, high = 1.2351e-5 }", "search.trials=4")
    study = bench(spec, tmp_path)
    study.search().run()
    for trials in _trials(study).values():
        for trial in trials:
            assert trial.lambda_dec == 0 or 1.003999e-8 <= trial.lambda_dec <= 1.235101e-5


def test_the_profile_is_that_of_the_decoder_grid(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.trials=3"), tmp_path)
    study.search().run()
    grid = study.spec.decoder_grid
    for stragglers, trials in _trials(study).items():
        trial = trials[-1]
        evaluator = study.tuning.evaluators[stragglers]
        direct = [
            float(evaluator.metrics(trial.design, trial.lambda_enc, smoothing).mse.mean()) for smoothing in grid[::8]
        ]
        assert trial.profile[::8] == pytest.approx(direct, rel=1e-4)  # the products of `measure` are in float32


def test_joint_records_what_was_proposed(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.strategy=joint", "search.sampler=random", "search.trials=4"), tmp_path)
    study.search().run()
    by_cell = _trials(study)
    for proposal in range(1, 5):
        pairs = {(trials[proposal].lambda_enc, trials[proposal].lambda_dec) for trials in by_cell.values()}
        assert len(pairs) == 1
    owner = study.studies[2]._study.trials[1]
    assert owner.params == {"lambda_enc": by_cell[4][1].lambda_enc, "lambda_dec": by_cell[4][1].lambda_dec}


def test_the_parameters_in_optuna_are_those_of_the_records(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.sampler=random"), tmp_path)
    study.search().run()
    for cell in study.studies.values():
        for trial, record in zip(cell._study.trials, cell.records(), strict=True):
            assert trial.params["lambda_enc"] == max(record.lambda_enc, 1e-8)
            assert trial.params["lambda_dec"] == max(record.lambda_dec, 1e-8)
            assert record.score is not None
            assert trial.value == record.score.mse


def test_what_is_found_is_told(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.trials=2"), tmp_path)
    search = study.search()
    search.run()
    assert {record.uid for record in study.told} == {
        record.uid for trials in _trials(study).values() for record in trials
    }
    assert search.progress.added == len(study.told) == 8
    assert study.proposals == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(record.started_ms <= record.finished_ms for record in study.told)


def test_the_search_stops_when_nothing_improves(tmp_path: Path) -> None:
    spec = tiny_spec("search.trials=30", "search.patience=3", "search.min_improvement=0.9")
    study = bench(spec, tmp_path)
    assert study.search().run() == 4
    assert study.search().run() == 4


def test_without_patience_the_budget_is_used(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.patience=0", "search.min_improvement=0.9"), tmp_path)
    assert study.search().run() == 8


def test_a_grid_is_never_cut_short(tmp_path: Path) -> None:
    spec = tiny_spec("search.sampler=grid", "search.trials=6", "search.patience=1", "search.min_improvement=0.9")
    assert bench(spec, tmp_path).search().run() == 8


@pytest.mark.parametrize("strategy", ["profile", "joint"])
def test_outputs_that_are_not_finite_make_a_failed_trial(strategy: str, tmp_path: Path) -> None:
    study = bench(tiny_spec(f"search.strategy={strategy}", "search.sampler=random", "search.trials=8"), tmp_path)
    refusing = {s: Refusing(inner, above=1e-4) for s, inner in study.tuning.evaluators.items()}
    study.search(refusing).run()
    for trials in _trials(study).values():
        failed = [trial for trial in trials if not trial.is_complete]
        assert 0 < len(failed) < len(trials) - 1
        for trial in trials:
            assert trial.is_complete == (trial.lambda_enc <= 1e-4)
            assert trial.reason == (None if trial.is_complete else "3 of 36 outputs are not finite.")
        assert trials[-1].proposal == study.proposals[-1][1] - 1


def test_a_trial_may_fail_in_some_cells_only(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.sampler=random", "search.trials=4"), tmp_path)
    evaluators = study.tuning.evaluators
    study.search({2: Refusing(evaluators[2], above=0.0), 4: evaluators[4]}).run()
    by_cell = _trials(study)
    assert [trial.is_complete for trial in by_cell[2]] == [True, True, False, False, False, False]
    assert all(trial.is_complete for trial in by_cell[4])


def test_a_model_that_answers_with_nan_fails_the_trial(tmp_path: Path) -> None:
    workload = tiny_workload(FailsOnSmooth(tiny_model(), shortest=1.6))
    study = bench(tiny_spec("search.sampler=grid"), tmp_path, workload=workload)
    study.measure_baselines()
    study.search().run()
    for trials in _trials(study).values():
        assert [trial.is_complete for trial in trials] == [True] * 6 + [False] * 2
        assert trials[-1].reason == "the model's outputs on coded queries must be finite, but 36 of 36 are not."


def test_every_turn_has_a_sampler_of_its_own(tmp_path: Path) -> None:
    """Two cells that take turns do not propose the same points, although their samplers have one seed."""
    study = bench(tiny_spec("search.sampler=random", "search.patience=0", "search.trials=8"), tmp_path)
    study.search().run()
    proposed = [trial.lambda_enc for trial in _trials(study)[2]][2:]
    assert len(set(proposed)) == 8
    first = study.studies[2].ask(sampler_for(study.spec, 0), proposal=99)
    assert study.studies[2].suggest(first, "lambda_enc") == proposed[0]


def test_a_finished_search_adds_nothing(tmp_path: Path) -> None:
    study = bench(tiny_spec(), tmp_path)
    study.search().run()
    before = study.history()
    again = bench(tiny_spec(), tmp_path)
    search = again.search()
    assert search.run() == 8
    assert search.progress.added == 0
    assert again.history() == before
    assert again.tuning.outputs.forwards == 1  # that of the plain queries, which every start makes


def test_more_trials_add_only_what_is_missing(tmp_path: Path) -> None:
    bench(tiny_spec("search.trials=3"), tmp_path / "in parts").search().run()
    more = bench(tiny_spec("search.trials=6"), tmp_path / "in parts")
    search = more.search()
    search.run()
    assert search.progress.added == 2 * 3
    at_once = bench(tiny_spec("search.trials=6"), tmp_path / "at once")
    at_once.search().run()
    for stragglers, trials in _trials(at_once).items():
        assert timeless(_trials(more)[stragglers]) == timeless(trials)
