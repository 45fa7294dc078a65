from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from nercc_tune.tuning import CellStudy, open_storage, to_spec_json
from nercc_tune.tuning.samplers import (
    LAMBDA_DEC,
    LAMBDA_ENC,
    sampler_for,
)
from tests.fakes import sqlite_url
from tests.tuning.cells import SCORE, SPEC, cell_in, record_of


@pytest.fixture
def study(tmp_path: Path) -> CellStudy:
    return cell_in(tmp_path)


def test_a_record_comes_back_exactly(tmp_path: Path, study: CellStudy) -> None:
    added = study.add(record_of())
    assert added == replace(record_of(), number=0)
    assert cell_in(tmp_path).records() == (added,)


def test_records_are_numbered_in_order(study: CellStudy) -> None:
    added = [study.add(record_of(proposal)) for proposal in (0, 1, 2)]
    assert [record.number for record in added] == [0, 1, 2]
    assert study.records() == tuple(added)


def test_a_failed_record_comes_back_with_its_reason(study: CellStudy) -> None:
    failed = replace(record_of(), score=None, profile=(), reason="not finite")
    assert study.add(failed) == replace(failed, number=0)
    assert study.records()[0].reason == "not finite"
    assert study._study.trials[0].state == TrialState.FAIL


def test_zero_stands_at_the_low_end(study: CellStudy) -> None:
    study.add(record_of(lambda_enc=0.0, lambda_dec=0.0))
    (trial,) = study._study.trials
    assert trial.params == {LAMBDA_ENC: 1e-8, LAMBDA_DEC: 1e-8}
    assert (study.records()[0].lambda_enc, study.records()[0].lambda_dec) == (0.0, 0.0)


def test_the_low_end_is_read_as_zero(study: CellStudy) -> None:
    sampler = sampler_for(SPEC, 0)
    sampler.given = {LAMBDA_ENC: 1e-8, LAMBDA_DEC: 2e-8}
    trial = study.ask(sampler, proposal=0)
    assert study.suggest(trial, LAMBDA_ENC) == 0.0
    assert study.suggest(trial, LAMBDA_DEC) == 2e-8


def test_parameters_stay_inside_their_range(study: CellStudy) -> None:
    for smoothing, parameter in ((0.0, 1e-8), (1e-4, 1e-4), (1.01, 1.0)):
        assert study.parameters(record_of(lambda_dec=smoothing))[LAMBDA_DEC] == parameter


def test_a_told_trial_is_a_real_optuna_trial(study: CellStudy) -> None:
    trial = study.ask(sampler_for(SPEC, 0), proposal=0)
    pair = {name: study.suggest(trial, name) for name in (LAMBDA_ENC, LAMBDA_DEC)}
    record = study.tell(trial, record_of(lambda_enc=pair[LAMBDA_ENC], lambda_dec=pair[LAMBDA_DEC]))
    (stored,) = study._study.trials
    assert stored.params == pair
    assert (stored.state, stored.value) == (TrialState.COMPLETE, SCORE.mse)
    assert study.records() == (record,)


def test_a_failed_trial_is_told_as_failed(study: CellStudy) -> None:
    trial = study.ask(sampler_for(SPEC, 0), proposal=0)
    study.tell(trial, replace(record_of(), score=None, reason="not finite"))
    assert study._study.trials[0].state == TrialState.FAIL
    assert study.records()[0].reason == "not finite"


def test_an_abandoned_trial_leaves_norecord_of(study: CellStudy) -> None:
    study.abandon(study.ask(sampler_for(SPEC, 0), proposal=0))
    assert study.records() == ()
    assert study._study.trials[0].state == TrialState.FAIL


def test_what_still_runs_is_failed_when_the_study_is_closed(tmp_path: Path, study: CellStudy) -> None:
    study.ask(sampler_for(SPEC, 0), proposal=0)
    told = study.add(record_of(1))
    later = cell_in(tmp_path)
    later.close()
    assert [trial.state for trial in later._study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert later.records() == (told,)


def test_a_trial_that_runs_is_no_record_though_it_has_all_of_it(tmp_path: Path, study: CellStudy) -> None:
    """Its worker died before it could finish the trial: the next one does it again, and the rest fails."""
    trial = study.ask(sampler_for(SPEC, 0), proposal=0)
    values = study.add(record_of(1))
    for key, value in study._study.trials[values.number].user_attrs.items():
        trial.set_user_attr(key, {**value, "proposal": 0} if key == "nercc_tune.record" else 0)
    later = cell_in(tmp_path)
    assert [record.proposal for record in later.records()] == [1]
    added = later.add(record_of(0))
    assert later.records() == (values, added)
    assert [trial.state for trial in later._study.trials] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_baselines_come_back_exactly(tmp_path: Path, study: CellStudy) -> None:
    assert study.baselines() == {}
    study.set_baselines({"bacc": SCORE})
    assert cell_in(tmp_path).baselines() == {"bacc": SCORE}


def test_a_cell_is_an_optuna_study_that_says_what_it_belongs_to(tmp_path: Path, study: CellStudy) -> None:
    loaded = optuna.load_study(study_name=study.cell.name, storage=open_storage(sqlite_url(tmp_path)))
    header = loaded.user_attrs["nercc_tune.study"]
    assert loaded.direction == optuna.study.StudyDirection.MINIMIZE
    assert header["digest"] == SPEC.digest
    assert header["spec"] == to_spec_json(SPEC)
    assert header["cell"]["stragglers"] == 2
