from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from nercc_tune.records import Cell, CellHistory, DecodeSpace, Design, Goal, Option, Score, TrialRecord
from nercc_tune.selection import best_trials, non_dominated, policy_candidates
from nercc_tune.selection.choice import expected_rank, one_of_each

Errors = Mapping[int, Mapping[float, float]]


def _score(mse: float, *, rel_acc: float | None = 1.0, agreement: float = 1.0) -> Score:
    return Score(
        mse=mse,
        prob_mse=mse,
        accuracy=1.0,
        rel_acc=rel_acc,
        agreement=agreement,
        mse_p95=mse,
        prob_mse_p95=mse,
        rel_acc_p5=rel_acc,
        agreement_p5=agreement,
    )


def _trial(proposal: int, lambda_enc: float, score: Score | None, *, lambda_dec: float = 0.0) -> TrialRecord:
    return TrialRecord(
        uid=f"cell#{proposal}",
        number=proposal,
        proposal=proposal,
        proposed_for=2,
        lambda_enc=lambda_enc,
        lambda_dec=lambda_dec,
        score=score,
        profile=(1.0, 2.0),
        started_ms=0,
        finished_ms=0,
    )


def _cells(*weights: float, goal: Goal | None = None) -> list[CellHistory]:
    return [
        CellHistory(
            cell=Cell(
                study="tiny",
                model="m",
                data="d",
                queries=5,
                workers=12,
                stragglers=2 * (1 + at),
                fewest=2 * (1 + at),
                weight=weight,
            ),
            goal=goal or Goal(),
            baselines={},
            trials=(),
        )
        for at, weight in enumerate(weights)
    ]


def _option(score: Score, *, lambda_dec: float = 0.0, space: DecodeSpace = "probabilities") -> Option:
    return Option(
        assignment="identity", decode_space=space, lambda_dec=lambda_dec, score=score, profile=(score.mse, 1.0)
    )


def _options(errors: Errors) -> dict[int, list[tuple[TrialRecord, Option]]]:
    return {
        count: [
            (_trial(at, lambda_enc, _score(mse)), _option(_score(mse), lambda_dec=count * (1e-7 + lambda_enc)))
            for at, (lambda_enc, mse) in enumerate(by_encoder.items())
        ]
        for count, by_encoder in errors.items()
    }


def _chosen(cells: Sequence[CellHistory], errors: Errors) -> float:
    return policy_candidates(cells, _options(errors))[0].lambda_enc


def test_the_least_expected_error_wins() -> None:
    """Expected over equal weights: 0.405, 0.2465 and 0.22."""
    errors = {2: {0.0: 0.010, 1e-4: 0.013, 1e-2: 0.040}, 4: {0.0: 0.800, 1e-4: 0.480, 1e-2: 0.400}}
    first, second, third = policy_candidates(_cells(0.5, 0.5), _options(errors))
    assert [item.lambda_enc for item in (first, second, third)] == [1e-2, 1e-4, 0.0]
    assert first.expected == pytest.approx((0.0, 0.22, 0.22))
    assert first.parameters == {2: 2 * (1e-7 + 1e-2), 4: 4 * (1e-7 + 1e-2)}
    assert first.profile == pytest.approx((0.22, 1.0))


def test_the_weights_of_the_cells_decide() -> None:
    errors = {2: {0.0: 0.1, 1e-4: 0.2}, 4: {0.0: 0.4, 1e-4: 0.3}}
    assert _chosen(_cells(0.4, 0.6), errors) == 1e-4
    assert _chosen(_cells(0.6, 0.4), errors) == 0.0


def test_only_what_every_cell_has_can_be_chosen() -> None:
    assert _chosen(_cells(0.5, 0.5), {2: {0.0: 0.1, 1e-4: 0.01}, 4: {0.0: 0.1}}) == 0.0


def test_the_smaller_smoothing_of_equals_wins() -> None:
    errors = {2: {1e-4: 0.1, 1e-6: 0.1}, 4: {1e-4: 0.1, 1e-6: 0.1}}
    assert _chosen(_cells(0.5, 0.5), errors) == 1e-6


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(ValueError, match="`options` must hold at least one encoder for every cell, but got none"):
        _chosen(_cells(0.5, 0.5), {2: {0.0: 0.1}, 4: {1e-4: 0.1}})


def test_readings_of_one_encoder_are_candidates_of_their_own() -> None:
    """All cells share a reading: what is sent is read in one way whatever arrives."""
    trial = _trial(0, 1e-4, _score(0.1))
    options = {
        2: [(trial, _option(_score(0.1))), (trial, _option(_score(0.3), space="logits-softmax"))],
        4: [(trial, _option(_score(0.6))), (trial, _option(_score(0.3), space="logits-softmax"))],
    }
    found = policy_candidates(_cells(0.5, 0.5), options)
    assert [item.design.decode_space for item in found] == ["logits-softmax", "probabilities"]
    assert [item.expected[1] for item in found] == pytest.approx([0.3, 0.35])


def test_of_an_encoder_that_was_tried_twice_the_better_counts() -> None:
    trial = _trial(0, 1e-4, _score(0.1))
    options = {2: [(trial, _option(_score(0.4), lambda_dec=1e-3)), (trial, _option(_score(0.3), lambda_dec=1e-2))]}
    (found,) = policy_candidates(_cells(1.0), options)
    assert found.parameters == {2: 1e-2}
    assert found.expected[1] == pytest.approx(0.3)


def test_a_floor_that_one_cell_misses_goes_before_the_error() -> None:
    goal = Goal(min_agreement=0.9)
    kept, missed = _score(0.5, agreement=0.95), _score(0.1, agreement=0.85)
    options = {
        count: [(_trial(0, 0.0, kept), _option(kept)), (_trial(1, 1e-4, missed), _option(other))]
        for count, other in ((2, kept), (4, missed))
    }
    found = policy_candidates(_cells(0.9, 0.1, goal=goal), options)
    assert [item.lambda_enc for item in found] == [0.0, 1e-4]
    assert found[1].expected[0] == pytest.approx(0.1 * 0.05)


def test_a_rank_is_expected_item_by_item() -> None:
    goal = Goal(metric="agreement", min_rel_acc=0.9)
    scores = [(0.25, _score(0.2, rel_acc=0.8, agreement=0.6)), (0.75, _score(0.4, rel_acc=1.0, agreement=0.8))]
    assert expected_rank(goal, scores) == pytest.approx((0.25 * 0.1, -(0.25 * 0.6 + 0.75 * 0.8), 0.05 + 0.3))


def test_the_best_trials_are_different_codes() -> None:
    trials = (
        _trial(0, 0.0, _score(0.3)),
        _trial(1, 1e-4, _score(0.1)),
        _trial(2, 1e-4, _score(0.1)),
        _trial(3, 1e-4, _score(0.2), lambda_dec=1e-3),
        _trial(4, 1e-2, None),
    )
    cell = CellHistory(cell=_cells(1.0)[0].cell, baselines={}, trials=trials)
    assert [trial.proposal for trial in best_trials(cell, most=5)] == [1, 3, 0]
    assert [trial.proposal for trial in best_trials(cell, most=2)] == [1, 3]


def test_only_trials_that_no_other_beats_in_both_are_on_the_front() -> None:
    goal = Goal(metric="pareto")
    points = [(0.5, 0.99), (0.1, 0.5), (0.3, 0.9), (0.2, 0.5), (0.3, 0.8), (0.6, 0.99), (0.1, 0.5), (0.4, None)]
    trials = [_trial(at, 0.0, _score(mse, rel_acc=rel_acc)) for at, (mse, rel_acc) in enumerate(points)]
    front = non_dominated([*trials, _trial(9, 0.0, None)], goal)
    assert [trial.proposal for trial in front] == [1, 2, 0]
    assert non_dominated([_trial(0, 0.0, None)], goal) == ()


def test_a_design_is_a_part_of_the_code() -> None:
    trials = (_trial(0, 0.0, _score(0.3)), _trial(1, 0.0, _score(0.3)))
    other = CellHistory(
        cell=_cells(1.0)[0].cell,
        baselines={},
        trials=(
            trials[0],
            TrialRecord(**{**vars(trials[1]), "design": Design(ordering="projection")}),
        ),
    )
    assert len(best_trials(other, most=5)) == 2


def test_the_best_of_each_kind_come_before_more_of_one() -> None:
    ranked = ("a1", "a2", "a3", "b1", "a4", "c1", "b2")
    assert one_of_each(ranked, lambda item: item[0], most=3) == ("a1", "b1", "c1")
    assert one_of_each(ranked, lambda item: item[0], most=2) == ("a1", "b1")
    assert one_of_each(ranked, lambda item: item[0], most=5) == ("a1", "a2", "a3", "b1", "c1")
    assert one_of_each(ranked, lambda item: item[0], most=9) == ranked
    assert one_of_each(ranked, lambda _: None, most=2) == ("a1", "a2")
    assert one_of_each((), lambda item: item, most=2) == ()
