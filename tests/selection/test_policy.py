from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.errors import OutputError
from nercc_tune.inference import Draws
from nercc_tune.records import BASELINES, CellHistory, Policy, Score, StudyHistory, TrialRecord
from nercc_tune.selection import Judge, PolicyChoice, difference, expect, judge
from nercc_tune.selection.choice import expected_rank
from nercc_tune.spec import StudySpec
from tests.fakes import tiny_spec
from tests.selection.fakes import errors, searched

INDEPENDENT = ("code={ queries = 5, workers = 12 }", "straggling.model=independent", "straggling.probability=0.25")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judge, StudyHistory]:
    return searched(tiny_spec(*INDEPENDENT, "straggling.strata=4"), tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module")
def policy(judged: tuple[Judge, StudyHistory]) -> Policy:
    judge_, history = judged
    return PolicyChoice(judge=judge_).policy(history)


def _scores(draws: Draws, policy: Policy, lambda_dec: dict[int, float]) -> list[tuple[float, Score]]:
    return [
        (
            evaluator.cell.weight,
            evaluator.metrics(policy.design, policy.lambda_enc, lambda_dec[count]).score(),
        )
        for count, evaluator in draws.evaluators.items()
    ]


def _of(policy: Policy) -> dict[int, float]:
    return {entry.stragglers: entry.lambda_dec for entry in policy.entries}


def _expected(draws: Draws, policy: Policy, lambda_dec: dict[int, float]) -> float:
    return sum(weight * score.mse for weight, score in _scores(draws, policy, lambda_dec))


@pytest.mark.parametrize("strategy", ["profile", "joint"])
@pytest.mark.parametrize("more", [(), INDEPENDENT], ids=["listed counts", "a random count"])
def test_one_candidate_has_the_least_expected_error(strategy: str, more: tuple[str, ...], tmp_path: Path) -> None:
    overrides = (f"search.strategy={strategy}", "search.sampler=random", "search.trials=5", "evaluation.candidates=1")
    spec = tiny_spec(*more, *overrides)
    judge_, history = searched(spec, tmp_path)
    before = judge_.tuning.outputs.forwards
    policy = PolicyChoice(judge=judge_).policy(history)
    assert judge_.tuning.outputs.forwards == before
    encoders = sorted({trial.lambda_enc for trial in history.cells[0].trials})
    evaluators = judge_.tuning.evaluators
    best = {
        (count, encoder): evaluator.best(spec.reference.encoding(encoder), spec.readings)[0]
        for count, evaluator in evaluators.items()
        for encoder in encoders
    }
    expected = [
        sum(evaluator.cell.weight * best[count, encoder].score.mse for count, evaluator in evaluators.items())
        for encoder in encoders
    ]
    assert policy.lambda_enc == encoders[int(np.argmin(expected))]
    assert _of(policy) == {count: best[count, policy.lambda_enc].lambda_dec for count in evaluators}
    assert _expected(judge_.tuning, policy, _of(policy)) == pytest.approx(min(expected), rel=1e-12)


@pytest.mark.parametrize(
    "more",
    [
        (),
        INDEPENDENT,
        ("search.decode_spaces=['probabilities', 'logits-softmax']", "search.nodes=['chebyshev', 'chord-length']"),
        ("search.strategy=joint", "search.sampler=random"),
    ],
    ids=["listed counts", "a random count", "the whole code", "joint"],
)
def test_on_the_tuning_draws_no_single_pair_is_better(more: tuple[str, ...], tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec(*more, "evaluation.candidates=1"), tmp_path)
    policy = PolicyChoice(judge=judge_).policy(history)
    pair = policy.single
    as_policy = replace(policy, design=pair.design, lambda_enc=pair.lambda_enc)
    single = _expected(judge_.tuning, as_policy, dict.fromkeys(_of(policy), pair.lambda_dec))
    # λ_dec has three digits: at the minimum that changes the error in the sixth.
    assert _expected(judge_.tuning, policy, _of(policy)) <= single * (1 + 1e-5)
    assert policy.is_feasible


def test_of_several_candidates_the_best_on_fresh_draws_is_chosen(
    judged: tuple[Judge, StudyHistory], policy: Policy
) -> None:
    judge_, history = judged
    mine = _expected(judge_.validation, policy, _of(policy))
    options = {cell.cell.stragglers: cell.trials for cell in history.cells}
    tried = 0
    for trial in history.cells[0].trials[1:]:
        lambda_dec = {
            count: next(t.lambda_dec for t in trials if t.proposal == trial.proposal)
            for count, trials in options.items()
        }
        tuning = _expected(judge_.tuning, replace(policy, lambda_enc=trial.lambda_enc), lambda_dec)
        if tuning < _expected(judge_.tuning, policy, _of(policy)):
            tried += 1
            fresh = _expected(judge_.validation, replace(policy, lambda_enc=trial.lambda_enc), lambda_dec)
            assert fresh >= mine * (1 - 1e-12)
    assert tried < 5


def test_the_policy_is_judged_on_the_heldout_draws(judged: tuple[Judge, StudyHistory], policy: Policy) -> None:
    judge_, history = judged
    assert [entry.stragglers for entry in policy.entries] == [cell.cell.stragglers for cell in history.cells]
    mine = []
    for entry in policy.entries:
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        found = judge_.judged(entry.stragglers, evaluator.metrics(policy.design, policy.lambda_enc, entry.lambda_dec))
        mine.append(found)
        assert errors(entry.heldout) == judge(found.metrics, found.bootstrap)
        assert entry.df_dec == judge_.tuning.evaluators[entry.stragglers].df_dec(
            policy.design, policy.lambda_enc, entry.lambda_dec
        )
    assert errors(policy.heldout) == expect(mine)
    weighted = sum(
        judge_.heldout.evaluators[entry.stragglers].cell.weight * entry.heldout.mse.mean for entry in policy.entries
    )
    assert policy.heldout.mse.mean == pytest.approx(weighted, rel=1e-12)
    assert policy.df_enc == judge_.df_enc(policy.design, policy.lambda_enc)


def test_the_single_pair_is_paired_with_the_policy(judged: tuple[Judge, StudyHistory], policy: Policy) -> None:
    judge_, _ = judged
    pair = policy.single
    evaluators = judge_.heldout.evaluators
    its = [
        judge_.judged(count, evaluator.metrics(pair.design, pair.lambda_enc, pair.lambda_dec))
        for count, evaluator in evaluators.items()
    ]
    mine = [
        judge_.judged(entry.stragglers, evaluators[entry.stragglers].metrics(policy.design, policy.lambda_enc, at))
        for entry, at in zip(policy.entries, _of(policy).values(), strict=True)
    ]
    assert errors(pair.heldout) == expect(its)
    assert policy.minus_single == difference(mine, its, "mse")
    expected = policy.heldout.mse.mean - pair.heldout.mse.mean
    assert policy.minus_single.mean == pytest.approx(expected, abs=1e-12)


def test_the_pairs_smoothing_is_not_beaten_by_the_grid(judged: tuple[Judge, StudyHistory], policy: Policy) -> None:
    judge_, _ = judged
    pair = policy.single
    as_policy = replace(policy, design=pair.design, lambda_enc=pair.lambda_enc)
    counts = _of(policy)
    found = _expected(judge_.tuning, as_policy, dict.fromkeys(counts, pair.lambda_dec))
    for smoothing in judge_.spec.decoder_grid[::4]:
        assert found <= _expected(judge_.tuning, as_policy, dict.fromkeys(counts, smoothing))


def test_a_policy_that_misses_a_floor_somewhere_is_not_feasible(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec("search.min_agreement=1.0", "search.trials=3"), tmp_path)
    policy = PolicyChoice(judge=judge_).policy(history)
    assert not policy.is_feasible
    assert expected_rank(judge_.goal, _scores(judge_.validation, policy, _of(policy)))[0] > 0


def _failed(cell: CellHistory) -> CellHistory:
    def fail(trial: TrialRecord) -> TrialRecord:
        return replace(trial, score=None, profile=(), reason="not finite")

    return replace(cell, trials=tuple(fail(trial) for trial in cell.trials))


def test_a_policy_needs_an_encoder_that_every_cell_has(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    broken = replace(history, cells=(_failed(history.cells[0]), *history.cells[1:]))
    with pytest.raises(OutputError, match="no proposal had finite outputs in every cell"):
        PolicyChoice(judge=judge_).policy(broken)


def test_a_policy_for_one_count_is_a_pair(tmp_path: Path) -> None:
    spec: StudySpec = tiny_spec("code.stragglers=[4]", "evaluation.candidates=1")
    judge_, history = searched(spec, tmp_path)
    policy = PolicyChoice(judge=judge_).policy(history)
    entry = judge_.entries(history, forwards=9)[4]
    assert (policy.design, policy.lambda_enc) == (entry.design, entry.lambda_enc)
    assert _of(policy) == {4: entry.lambda_dec}
    assert policy.heldout == policy.entries[0].heldout == entry.heldout


def test_the_baselines_are_expected_over_the_same_cells(judged: tuple[Judge, StudyHistory], policy: Policy) -> None:
    evaluators = judged[0].heldout.evaluators
    assert set(policy.baselines) == set(policy.prob_mse_minus) == set(BASELINES)
    for name, found in policy.baselines.items():
        means = [(e.cell.weight, float(e.baseline_metrics(name).prob_mse.mean())) for e in evaluators.values()]
        assert found.prob_mse.mean == pytest.approx(sum(weight * mean for weight, mean in means), rel=1e-9)
        minus = policy.prob_mse_minus[name].mean
        assert minus == pytest.approx(policy.heldout.prob_mse.mean - found.prob_mse.mean, abs=1e-12)
