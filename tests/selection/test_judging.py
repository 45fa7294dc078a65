from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.coding import NerccCode
from nercc_tune.errors import OutputError
from nercc_tune.records import (
    BASELINES,
    CellHistory,
    DecodeSpace,
    Design,
    Distrust,
    Distrusting,
    StudyHistory,
    TrialRecord,
    TunedEntry,
)
from nercc_tune.selection import CrossedBootstrap, Judge, difference, gain, judge, search_forwards
from nercc_tune.spec import StudySpec
from tests.fakes import draw, tiny_spec
from tests.selection.fakes import errors, searched


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judge, StudyHistory]:
    return searched(tiny_spec(), tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module")
def entries(judged: tuple[Judge, StudyHistory]) -> dict[int, TunedEntry]:
    judge_, history = judged
    return judge_.entries(history, forwards=9)


def _bootstrap(masks: int = 5) -> CrossedBootstrap:
    return CrossedBootstrap.draw(groups=4, masks=masks, resamples=100, seed=0)


def _failed(cell: CellHistory) -> CellHistory:
    trials = tuple(replace(trial, score=None, profile=(), reason="not finite") for trial in cell.trials)
    return replace(cell, trials=trials)


def _by_proposal(cell: CellHistory) -> dict[int | None, TrialRecord]:
    return {trial.proposal: trial for trial in cell.trials}


def test_an_entry_is_the_best_of_the_best_trials_on_fresh_draws(
    judged: tuple[Judge, StudyHistory], entries: dict[int, TunedEntry]
) -> None:
    judge_, history = judged
    for cell in history.cells:
        entry = entries[cell.cell.stragglers]
        evaluator = judge_.validation.evaluators[entry.stragglers]
        trials = _by_proposal(cell)
        scores = sorted(trial.score.mse for trial in cell.trials if trial.score is not None)
        assert [candidate.tuning for candidate in entry.candidates] == scores[:5]
        for candidate in entry.candidates:
            trial = trials[candidate.proposal]
            assert trial.score is not None
            assert candidate.tuning == trial.score.mse
            fresh = evaluator.metrics(trial.design, trial.lambda_enc, trial.lambda_dec).score()
            assert candidate.fresh == fresh.mse
            assert candidate.is_feasible
        chosen = min(entry.candidates, key=lambda candidate: candidate.fresh)
        trial = trials[chosen.proposal]
        assert (entry.design, entry.lambda_enc, entry.lambda_dec) == (trial.design, trial.lambda_enc, trial.lambda_dec)
        assert entry.tuning == trial.score
        again = judge_.tuning.evaluators[entry.stragglers].metrics(entry.design, entry.lambda_enc, entry.lambda_dec)
        assert again.score() == entry.tuning
        assert (entry.trials, entry.forwards) == (len(cell.trials), 9)
        assert (entry.fewest, entry.weight, entry.waiting) == (entry.stragglers, 0.5, None)
        assert entry.is_feasible
        assert entry.front == ()


def test_one_candidate_is_the_best_on_the_tuning_draws(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec("evaluation.candidates=1"), tmp_path)
    for cell in history.cells:
        entry = judge_.entries(history, forwards=9)[cell.cell.stragglers]
        assert cell.best is not None
        assert entry.tuning == cell.best.score
        assert [candidate.proposal for candidate in entry.candidates] == [cell.best.proposal]


def test_an_entry_is_judged_on_the_heldout_draws(
    judged: tuple[Judge, StudyHistory], entries: dict[int, TunedEntry]
) -> None:
    judge_, _ = judged
    for entry in entries.values():
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        tuned = evaluator.metrics(entry.design, entry.lambda_enc, entry.lambda_dec)
        assert errors(entry.heldout) == judge(tuned, _bootstrap())
        assert entry.heldout.mse.mean == pytest.approx(float(tuned.mse.mean()), rel=1e-12)
        assert entry.heldout.mse.mean != entry.tuning.mse
        assert set(entry.baselines) == set(BASELINES)
        for name, heldout in entry.baselines.items():
            assert errors(heldout) == judge(evaluator.baseline_metrics(name), _bootstrap())


def test_the_paired_difference_is_that_of_the_means(
    judged: tuple[Judge, StudyHistory], entries: dict[int, TunedEntry]
) -> None:
    judge_, _ = judged
    for entry in entries.values():
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        tuned = judge_.judged(entry.stragglers, evaluator.metrics(entry.design, entry.lambda_enc, entry.lambda_dec))
        assert set(entry.mse_minus) == set(entry.prob_mse_minus) == set(BASELINES)
        for name in BASELINES:
            its = entry.baselines[name]
            other = judge_.judged(entry.stragglers, evaluator.baseline_metrics(name))
            found = entry.mse_minus[name]
            assert found.mean == pytest.approx(entry.heldout.mse.mean - its.mse.mean, abs=1e-12)
            assert found == difference([tuned], [other], "mse")
            probs = entry.prob_mse_minus[name]
            assert probs.mean == pytest.approx(entry.heldout.prob_mse.mean - its.prob_mse.mean, abs=1e-12)
            saved = gain([tuned], [other], "mse")
            assert entry.gains.get(name) == saved  # none where a resample of the baseline has no error
            if saved is not None:
                assert saved.mean == pytest.approx(1 - entry.heldout.mse.mean / its.mse.mean, rel=1e-12)
        assert {"bacc", "nercc_ag"} <= set(entry.gains)


def test_errors_in_other_spaces_are_compared_in_probabilities_only(tmp_path: Path) -> None:
    """The code searches logits alone, while the baselines are those of probabilities."""
    judge_, history = searched(tiny_spec("search.decode_spaces=['logits']"), tmp_path)
    for entry in judge_.entries(history, forwards=9).values():
        assert entry.design.decode_space == "logits"
        assert set(entry.mse_minus) == set(entry.gains) == {"bacc_same_design"}
        assert set(BASELINES) <= set(entry.prob_mse_minus)
    judge_, history = searched(
        tiny_spec("search.decode_spaces=['logits']", "search.objective=prob_mse"), tmp_path / "prob"
    )
    for entry in judge_.entries(history, forwards=9).values():
        assert {"bacc", "nercc_ag"} <= set(entry.gains)


def test_degrees_of_freedom_are_those_of_the_code(
    judged: tuple[Judge, StudyHistory], entries: dict[int, TunedEntry]
) -> None:
    judge_, _ = judged
    for entry in entries.values():
        evaluator = judge_.tuning.evaluators[entry.stragglers]
        nodes = judge_.tuning.groups.layout(entry.design).nodes
        code = NerccCode(nodes, lambda_enc=entry.lambda_enc, lambda_dec=entry.lambda_dec)
        (arrived,) = evaluator.masks.batches
        assert entry.df_enc == pytest.approx(code.df_enc, rel=1e-12)
        assert 2 <= entry.df_enc <= 5
        assert entry.df_dec == pytest.approx(code.df_dec(arrived), rel=1e-6)


def test_with_own_nodes_degrees_of_freedom_are_the_mean_over_the_groups(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec("search.nodes=['chord-length']"), tmp_path)
    entry = judge_.entries(history, forwards=9)[2]
    nodes = judge_.tuning.groups.layout(entry.design).nodes
    assert nodes.alpha.shape == (3, 5)
    each = [
        NerccCode(replace(nodes, alpha=alpha), lambda_enc=entry.lambda_enc, lambda_dec=0.0).df_enc
        for alpha in nodes.alpha
    ]
    assert entry.df_enc == pytest.approx(sum(each) / 3, rel=1e-12)


def test_berruts_code_in_the_chosen_design_is_a_baseline_of_its_own(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec("search.nodes=['chord-length']", "search.trials=2"), tmp_path)
    for entry in judge_.entries(history, forwards=9).values():
        metrics = judge_.heldout.evaluators[entry.stragglers].baseline_metrics("bacc", entry.design)
        assert errors(entry.baselines["bacc_same_design"]) == judge(metrics, _bootstrap())
        assert entry.baselines["bacc_same_design"] != entry.baselines["bacc"]


def test_zero_wins_where_nothing_is_better(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    only_zero = replace(history, cells=tuple(replace(cell, trials=cell.trials[:1]) for cell in history.cells))
    for entry in judge_.entries(only_zero, forwards=3).values():
        assert (entry.lambda_enc, entry.lambda_dec) == (0.0, 0.0)
        assert entry.heldout == entry.baselines["nercc_ag"]
        assert (entry.mse_minus["nercc_ag"].low, entry.mse_minus["nercc_ag"].high) == (0.0, 0.0)
        assert (entry.gains["nercc_ag"].low, entry.gains["nercc_ag"].high) == (0.0, 0.0)


def test_the_pair_of_one_count_is_judged_at_all_others(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec("evaluation.frozen_at=2", "search.sampler=random"), tmp_path)
    found = judge_.entries(history, forwards=9)
    frozen = found[2]
    assert found[2].baselines["frozen"] == found[2].heldout
    evaluator = judge_.heldout.evaluators[4]
    metrics = evaluator.metrics(frozen.design, frozen.lambda_enc, frozen.lambda_dec)
    assert errors(found[4].baselines["frozen"]) == judge(metrics, _bootstrap())
    assert found[4].mse_minus["frozen"].mean == pytest.approx(
        found[4].heldout.mse.mean - float(metrics.mse.mean()), abs=1e-12
    )


def test_a_frozen_pair_in_another_space_is_compared_in_probabilities_only(tmp_path: Path) -> None:
    overrides = ("search.decode_spaces=['probabilities', 'logits']", "search.objective=prob_mse", "search.trials=2")
    judge_, history = searched(tiny_spec(*overrides, "evaluation.frozen_at=2"), tmp_path)
    first, second = history.cells

    def only(cell: CellHistory, space: DecodeSpace) -> CellHistory:
        option = next(option for option in cell.trials[1].options if option.decode_space == space)
        design = replace(cell.trials[1].design, decode_space=space)
        return replace(cell, trials=(replace(cell.trials[1], design=design, lambda_dec=option.lambda_dec),))

    mixed = replace(history, cells=(only(first, "logits"), only(second, "probabilities")))
    found = judge_.entries(mixed, forwards=9)
    assert set(found[4].mse_minus) == set(BASELINES)
    assert "frozen" in found[4].prob_mse_minus
    assert set(found[2].mse_minus) == {"bacc_same_design", "frozen"}


FLOORS = ("search.sampler=random", "search.strategy=joint", "search.trials=8")


def test_a_floor_that_nobody_reaches_chooses_the_nearest(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec(*FLOORS, "search.min_agreement=1.0"), tmp_path)
    for cell in history.cells:
        entry = judge_.entries(history, forwards=9)[cell.cell.stragglers]
        assert not entry.is_feasible
        assert not any(candidate.is_feasible for candidate in entry.candidates)
        evaluator = judge_.validation.evaluators[entry.stragglers]
        trials = _by_proposal(cell)
        agreements = [
            evaluator.metrics(trial.design, trial.lambda_enc, trial.lambda_dec).score().agreement
            for trial in (trials[candidate.proposal] for candidate in entry.candidates)
        ]
        chosen = evaluator.metrics(entry.design, entry.lambda_enc, entry.lambda_dec).score().agreement
        assert chosen == pytest.approx(max(agreements), rel=1e-12)


def test_a_floor_is_kept_on_fresh_draws_where_it_can_be(tmp_path: Path) -> None:
    judge_, history = searched(tiny_spec(*FLOORS, "search.min_rel_acc=0.95"), tmp_path)
    goal = judge_.goal
    for entry in judge_.entries(history, forwards=9).values():
        evaluator = judge_.validation.evaluators[entry.stragglers]
        fresh = evaluator.metrics(entry.design, entry.lambda_enc, entry.lambda_dec).score()
        assert entry.is_feasible == (goal.shortfall(fresh) == 0)
        assert entry.is_feasible == any(candidate.is_feasible for candidate in entry.candidates)


def _spec_of(name: str) -> StudySpec:
    latency = ("straggling.model=latency", "straggling.law=gamma")
    return tiny_spec(*{"latency": latency, "deadline": (*latency, *DEADLINE)}[name])


DEADLINE = ("code={ queries = 5, workers = 12 }", "straggling.rule=deadline", "straggling.deadline=2.0")


@pytest.mark.parametrize("name", ["latency", "deadline"])
def test_an_entry_says_how_long_is_waited_and_how_likely_it_is(name: str, tmp_path: Path) -> None:
    judge_, history = searched(_spec_of(name), tmp_path)
    found = judge_.entries(history, forwards=9)
    assert sum(entry.weight for entry in found.values()) == pytest.approx(1, abs=1e-12)
    for cell in history.cells:
        entry = found[cell.cell.stragglers]
        assert entry.waiting == judge_.heldout.evaluators[entry.stragglers].waiting
        assert entry.waiting is not None
        assert entry.waiting > 0
        assert (entry.fewest, entry.weight) == (cell.cell.fewest, cell.cell.weight)
        masks = judge_.heldout.evaluators[entry.stragglers].metrics(entry.design, 0.0, 0.0).mse.shape[1]
        evaluator = judge_.heldout.evaluators[entry.stragglers]
        tuned = evaluator.metrics(entry.design, entry.lambda_enc, entry.lambda_dec)
        assert errors(entry.heldout) == judge(tuned, _bootstrap(masks))


def test_the_search_took_a_forward_for_each_encoder(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    assert search_forwards(history) == judge_.tuning.outputs.forwards == 3 + 6


def test_failed_trials_are_no_candidates(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    cell = history.cells[1]
    best = cell.best
    assert best is not None
    without = tuple(replace(t, score=None, profile=(), reason="nan") if t is best else t for t in cell.trials)
    cells = (history.cells[0], replace(cell, trials=without))
    entry = judge_.entries(replace(history, cells=cells), forwards=9)[4]
    assert best.proposal not in [candidate.proposal for candidate in entry.candidates]
    assert entry.tuning.mse > (best.score.mse if best.score else 0)
    assert entry.trials == len(cell.trials) - 1


def test_a_cell_without_a_completed_trial_is_refused(judged: tuple[Judge, StudyHistory]) -> None:
    judge_, history = judged
    broken = replace(history, cells=(_failed(history.cells[0]), *history.cells[1:]))
    with pytest.raises(OutputError, match=r"no trial of tiny/K5-N12-S2 succeeded, so there is no pair to choose"):
        judge_.entries(broken, forwards=9)


def test_typical_answers_are_named_where_a_distrust_looks_at_them() -> None:
    spec, design = tiny_spec("evaluation.tuning_groups=7"), Design(decode_space="logits")
    judge_ = Judge(spec=spec, tuning=draw(spec), validation=draw(spec, "validation"), heldout=draw(spec, "heldout"))
    distrust = Distrust(kind="residuals", level=4.0, most=2)
    plain = Distrusting(trusting=1e-3, distrust=distrust)
    looking = Distrusting(trusting=1e-3, distrust=replace(distrust, typical=9.0))
    assert judge_.typical_digest_of(design, 0.0, [1e-3, plain]) is None
    typical = judge_.typical_of(design, 0.0)
    assert typical is not None
    assert typical is judge_.tuning.calibration.typical(design.encoding(0.0), "logits")
    assert judge_.typical_digest_of(design, 0.0, [1e-3, looking]) == typical.digest


def test_an_entry_whose_code_looks_at_none_names_none(entries: dict[int, TunedEntry]) -> None:
    assert {entry.typical for entry in entries.values()} == {None}
