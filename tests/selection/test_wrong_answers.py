"""What a chosen code does about wrong answers, summarised by kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nercc_tune.inference import DistrustMeter, MaskedDistrust, MaskedMetrics
from nercc_tune.records import ERROR_BASELINES, StudyHistory, TunedEntry
from nercc_tune.selection import CrossedBootstrap, Judge, Judged
from nercc_tune.selection.wrong_answers import judge_distrust
from tests.fakes import tiny_spec
from tests.selection.fakes import searched

GROUPS, KINDS = 4, ("nan", "sign-flip", "nan", "sign-flip", "nan")
ORDER = ("sign-flip", "nan", "infinity")
STUDY = (
    "code={ queries = 3, workers = 16, stragglers = [2, 4] }",
    "search.objective=prob_mse",
    "search.trials=2",
    "errors.kinds=['sign-flip', 'nan']",
    "errors.count=2",
)


def _metrics(prob_mse: Tensor) -> MaskedMetrics:
    half = torch.full_like(prob_mse, 0.5)
    return MaskedMetrics(mse=prob_mse, prob_mse=prob_mse, accuracy=half, agreement=half, uncoded_accuracy=half[:, 0])


def _errors(seed: int, *, scale: float) -> Tensor:
    return scale * (
        1 + torch.rand(GROUPS, len(KINDS), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    )


def _tuned(errors: Tensor) -> Judged:
    bootstrap = CrossedBootstrap.draw(groups=GROUPS, masks=len(KINDS), resamples=200, seed=0)
    return Judged(metrics=_metrics(errors), bootstrap=bootstrap)


@pytest.fixture
def measured() -> MaskedDistrust:
    return MaskedDistrust(
        kinds=KINDS,
        wrong=torch.tensor([3, 2, 1, 2, 3]),
        right=torch.tensor([7, 8, 9, 8, 7]),
        found=torch.tensor([[3, 1, 1, 0, 3]] * GROUPS),
        accused=torch.arange(20).view(GROUPS, 5) % 3,
        oracle=_metrics(_errors(1, scale=0.01)),
        honest=_metrics(_errors(2, scale=0.02)),
        honest_trusting=_metrics(_errors(3, scale=0.018)),
        false_alarms=0.003,
    )


def test_kinds_are_counted_over_their_own_masks(measured: MaskedDistrust) -> None:
    judged = judge_distrust(_tuned(_errors(0, scale=0.03)), measured, kinds=ORDER, bound=3, seed=0)
    assert (judged.bound, judged.false_alarms) == (3, 0.003)
    by_kind = {detection.kind: detection for detection in judged.detections}
    assert list(by_kind) == ["sign-flip", "nan"]  # as the study has them, of those that masks have
    nan, flip = by_kind["nan"], by_kind["sign-flip"]
    assert (nan.wrong, nan.found, nan.right) == (GROUPS * 7, GROUPS * 7, GROUPS * 23)
    assert (flip.wrong, flip.found, flip.right) == (GROUPS * 4, GROUPS, GROUPS * 16)
    assert nan.accused == int(measured.accused[:, [0, 2, 4]].sum())
    assert flip.accused == int(measured.accused[:, [1, 3]].sum())


def test_ratios_are_of_the_means_over_the_masks_of_a_kind(measured: MaskedDistrust) -> None:
    errors = _errors(0, scale=0.03)
    for detection in judge_distrust(_tuned(errors), measured, kinds=ORDER, bound=3, seed=0).detections:
        masks = [mask for mask, kind in enumerate(KINDS) if kind == detection.kind]
        mine, oracle = errors[:, masks].mean(), measured.oracle.prob_mse[:, masks].mean()
        assert detection.prob_mse.mean == pytest.approx(float(mine), rel=1e-12)
        assert detection.oracle.mean == pytest.approx(float(oracle), rel=1e-12)
        assert detection.ratio is not None
        assert detection.ratio.mean == pytest.approx(float(mine / oracle), rel=1e-12)
        assert 1 < detection.ratio.low < detection.ratio.mean < detection.ratio.high


def test_the_cost_is_of_distrust_where_nobody_lies(measured: MaskedDistrust) -> None:
    judged = judge_distrust(_tuned(_errors(0, scale=0.03)), measured, kinds=ORDER, bound=3, seed=0)
    honest, trusting = measured.honest.prob_mse.mean(), measured.honest_trusting.prob_mse.mean()
    assert (judged.none_wrong.mean, judged.none_wrong_trusting.mean) == pytest.approx((float(honest), float(trusting)))
    assert judged.cost is not None
    assert judged.cost.mean == pytest.approx(float(honest / trusting) - 1, rel=1e-12)
    assert judged.cost.low < judged.cost.mean < judged.cost.high


def test_equal_errors_cost_nothing_and_are_the_oracles(measured: MaskedDistrust) -> None:
    same = replace(measured, honest=measured.honest_trusting)
    judged = judge_distrust(_tuned(measured.oracle.prob_mse), same, kinds=ORDER, bound=3, seed=0)
    assert judged.cost is not None
    assert (judged.cost.mean, judged.cost.low, judged.cost.high) == (0.0, 0.0, 0.0)
    for detection in judged.detections:
        assert detection.prob_mse == detection.oracle
        assert detection.ratio is not None
        assert (detection.ratio.mean, detection.ratio.low, detection.ratio.high) == (1.0, 1.0, 1.0)


def test_there_is_no_ratio_to_no_error(measured: MaskedDistrust) -> None:
    nothing = _metrics(torch.zeros(GROUPS, len(KINDS), dtype=torch.float64))
    exact = replace(measured, oracle=nothing, honest_trusting=nothing)
    judged = judge_distrust(_tuned(_errors(0, scale=0.03)), exact, kinds=ORDER, bound=3, seed=0)
    assert judged.cost is None
    assert [detection.ratio for detection in judged.detections] == [None, None]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judge, StudyHistory, dict[int, TunedEntry]]:
    judge, history = searched(tiny_spec(*STUDY), tmp_path_factory.mktemp("wrong"))
    return judge, history, judge.entries(history, forwards=9)


def test_every_cell_is_judged_beside_rivals_that_fight_wrong_answers(
    entries: tuple[Judge, StudyHistory, dict[int, TunedEntry]],
) -> None:
    judge, _, found = entries
    for stragglers, entry in found.items():
        evaluator = judge.heldout.evaluators[stragglers]
        assert set(ERROR_BASELINES) <= set(entry.baselines)
        for name in ERROR_BASELINES:
            expected = float(evaluator.baseline_metrics(name).prob_mse.mean())
            assert entry.baselines[name].prob_mse.mean == pytest.approx(expected, rel=1e-12)
        assert entry.heldout.availability is None
        assert entry.distrust is not None
        metrics = evaluator.metrics(entry.design, entry.lambda_enc, entry.parameter)
        assert entry.heldout.prob_mse.mean == pytest.approx(float(metrics.prob_mse.mean()), rel=1e-12)


def test_what_is_judged_is_measured_on_held_out_masks_with_what_trusts_best_on_tuning_ones(
    entries: tuple[Judge, StudyHistory, dict[int, TunedEntry]],
) -> None:
    judge, _, found = entries
    for stragglers, entry in found.items():
        evaluator = judge.heldout.evaluators[stragglers]
        encoding = entry.design.encoding(entry.lambda_enc)
        trusting = judge.tuning.evaluators[stragglers].best_trusting(encoding, entry.design.reading)
        measured = DistrustMeter(evaluator).of(entry.design, entry.lambda_enc, entry.parameter, trusting=trusting)
        judged = entry.wrong_answers
        assert judged is not None
        assert (judged.bound, judged.false_alarms) == (2, measured.false_alarms)
        assert [detection.kind for detection in judged.detections] == ["sign-flip", "nan"]
        masks = {"sign-flip": [0, 2, 4], "nan": [1, 3]}
        for detection in judged.detections:
            at = masks[detection.kind]
            assert detection.wrong == 2 * 4 * len(at)
            assert detection.found == int(measured.found[:, at].sum())
            assert detection.oracle.mean == pytest.approx(float(measured.oracle.prob_mse[:, at].mean()), rel=1e-12)
        assert judged.none_wrong.mean == pytest.approx(float(measured.honest.prob_mse.mean()), rel=1e-12)


def test_a_study_without_wrong_answers_has_nothing_to_judge(tmp_path: Path) -> None:
    judge, history = searched(tiny_spec("search.trials=1", "code.stragglers=[2]"), tmp_path)
    (entry,) = judge.entries(history, forwards=3).values()
    assert (entry.wrong_answers, entry.distrust) == (None, None)
    assert not set(ERROR_BASELINES) & set(entry.baselines)
