"""Searches for more than λ: orderings, nodes, assignments and decode spaces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.records import Encoding, TrialRecord
from nercc_tune.selection import search_forwards
from tests.fakes import Bench, bench, tiny_spec

LISTED = (
    "search.orderings=['arrival', 'nearest-neighbour']",
    "search.nodes=['chebyshev', 'chord-length']",
    "search.decode_spaces=['probabilities', 'logits-softmax']",
)
ENCODINGS = [
    Encoding(ordering=ordering, nodes=nodes)
    for ordering in ("arrival", "nearest-neighbour")
    for nodes in ("chebyshev", "chord-length")
]


def _searched(folder: Path, *overrides: str) -> Bench:
    study = bench(tiny_spec("search.patience=0", *overrides), folder)
    study.measure_baselines()
    study.search().run()
    return study


def _trials(study: Bench) -> dict[int, tuple[TrialRecord, ...]]:
    return {cell.cell.stragglers: cell.trials for cell in study.history().cells}


def test_the_layouts_are_given_first_and_each_encoder_takes_one_forward(tmp_path: Path) -> None:
    study = _searched(tmp_path, *LISTED, "search.trials=5")
    by_cell = _trials(study)
    for trials in by_cell.values():
        assert [trial.proposal for trial in trials] == list(range(10))
        assert (trials[0].encoding, trials[0].lambda_dec) == (ENCODINGS[0], 0.0)
        assert [trial.encoding for trial in trials[1:5]] == ENCODINGS
        assert trials[0].others == ()
        assert all(len(trial.options) == 2 for trial in trials[1:])
    encoders = {trial.encoding for trials in by_cell.values() for trial in trials}
    assert len(encoders) == 9
    assert study.tuning.outputs.forwards == len(encoders) + 2
    assert search_forwards(study.history()) == len(encoders) + 2


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "grid"])
def test_decode_spaces_and_assignments_cost_no_forward(sampler: str, tmp_path: Path) -> None:
    readings = (
        "search.objective=prob_mse",
        "search.decode_spaces=['probabilities', 'logits', 'logits-softmax']",
        "search.assignments=['identity', 'interleaved']",
        "code.rack=3",
    )
    study = _searched(tmp_path, *readings, f"search.sampler={sampler}", "search.trials=3")
    by_cell = _trials(study)
    assert study.tuning.outputs.forwards == len({trial.lambda_enc for trial in by_cell[2]}) + 2
    for trials in by_cell.values():
        assert all(len(trial.options) == 6 for trial in trials[1:])


def test_each_cell_takes_the_best_reading_of_its_own(tmp_path: Path) -> None:
    study = _searched(tmp_path, *LISTED, "search.trials=4")
    for stragglers, trials in _trials(study).items():
        evaluator = study.tuning.evaluators[stragglers]
        for trial in trials[1:]:
            assert trial.score is not None
            errors = [option.score.mse for option in trial.options]
            assert errors[0] == trial.score.mse == min(errors)
            for option in trial.options:
                design = replace(trial.design, assignment=option.assignment, decode_space=option.decode_space)
                assert option.score == evaluator.metrics(design, trial.lambda_enc, option.lambda_dec).score()
            assert len({option.decode_space for option in trial.options}) == 2


@pytest.mark.parametrize("strategy", ["profile", "joint"])
def test_the_parameters_in_optuna_are_those_of_the_records(strategy: str, tmp_path: Path) -> None:
    study = _searched(tmp_path, *LISTED, f"search.strategy={strategy}", "search.sampler=random", "search.trials=6")
    for cell in study.studies.values():
        for trial, record in zip(cell._study.trials, cell.records(), strict=True):
            assert trial.params == {
                "lambda_enc": max(record.lambda_enc, 1e-8),
                "lambda_dec": max(record.lambda_dec, 1e-8),
                "ordering": record.design.ordering,
                "nodes": record.design.nodes,
                "decode_space": record.design.decode_space,
            }


def test_a_joint_search_proposes_the_reading_too(tmp_path: Path) -> None:
    study = _searched(tmp_path, *LISTED, "search.strategy=joint", "search.sampler=random", "search.trials=8")
    by_cell = _trials(study)
    for first, second in zip(*by_cell.values(), strict=True):
        assert (first.design, first.lambda_dec) == (second.design, second.lambda_dec)
        assert len(first.options) == 1
    assert len({(trial.design.ordering, trial.design.nodes, trial.design.decode_space) for trial in by_cell[2]}) > 3


def test_a_grid_is_a_layout_for_each_smoothing(tmp_path: Path) -> None:
    study = _searched(tmp_path, *LISTED, "search.sampler=grid", "search.trials=8")
    found = [trial.encoding for trial in _trials(study)[2][5:]]
    assert len(set(found)) == 8
    # The low end of the range is 0, as it was given already.
    assert {replace(encoding, lambda_enc=0.0) for encoding in found[:4]} == set(ENCODINGS)
    assert {encoding.lambda_enc for encoding in found[:4]} == {0.0}
    assert {encoding.lambda_enc for encoding in found[4:]} == {1.0}


def test_the_code_has_its_own_design_where_nothing_is_listed(tmp_path: Path) -> None:
    own = (
        "code.ordering=projection",
        "code.nodes=systematic",
        "code.assignment=interleaved",
        "code.rack=4",
        "code.decode_space=logits",
    )
    study = _searched(tmp_path, *own, "search.trials=2")
    reference = study.spec.reference
    assert (reference.ordering, reference.nodes, reference.assignment) == ("projection", "systematic", "interleaved")
    for stragglers, trials in _trials(study).items():
        assert {trial.design for trial in trials} == {reference}
        expected = study.tuning.evaluators[stragglers].baseline_metrics("nercc_ag").score()
        assert trials[0].score == expected
