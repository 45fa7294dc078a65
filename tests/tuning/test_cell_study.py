from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from nercc_tune.records import Score, TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.tuning import CellStudy, open_cells, open_storage, to_spec_json
from nercc_tune.tuning.samplers import (
    LAMBDA_DEC,
    LAMBDA_ENC,
    sampler_for,
)
from tests.fakes import info, sqlite_url, tiny_cells, tiny_spec, tiny_workload

SPEC = tiny_spec("code.stragglers=[2]", "search.strategy=joint", "search.sampler=random")
SCORE = Score(
    mse=0.1 + 0.2,
    prob_mse=1e-300,
    accuracy=1 / 3,
    rel_acc=None,
    agreement=1.0,
    mse_p95=2.0,
    prob_mse_p95=0.0,
    rel_acc_p5=0.5,
    agreement_p5=0.7,
)


def _record(proposal: int = 0, *, lambda_enc: float = 3e-7, lambda_dec: float = 0.0) -> TrialRecord:
    return TrialRecord(
        uid=f"tiny/K5-N12-S2#{proposal}",
        number=99,
        proposal=proposal,
        proposed_for=2,
        lambda_enc=lambda_enc,
        lambda_dec=lambda_dec,
        score=SCORE,
        profile=(0.1, 1 / 3),
        started_ms=1_700_000_000_001,
        finished_ms=1_700_000_000_002,
    )


@pytest.fixture
def study(tmp_path: Path) -> CellStudy:
    return _open(tmp_path)


def _open(folder: Path, spec: StudySpec = SPEC) -> CellStudy:
    return open_cells(open_storage(sqlite_url(folder)), spec, tiny_cells(spec), info(tiny_workload()))[2]


def test_a_record_comes_back_exactly(tmp_path: Path, study: CellStudy) -> None:
    added = study.add(_record())
    assert added == replace(_record(), number=0)
    assert _open(tmp_path).records() == (added,)


def test_records_are_numbered_in_order(study: CellStudy) -> None:
    added = [study.add(_record(proposal)) for proposal in (0, 1, 2)]
    assert [record.number for record in added] == [0, 1, 2]
    assert study.records() == tuple(added)


def test_a_failed_record_comes_back_with_its_reason(study: CellStudy) -> None:
    failed = replace(_record(), score=None, profile=(), reason="not finite")
    assert study.add(failed) == replace(failed, number=0)
    assert study.records()[0].reason == "not finite"
    assert study._study.trials[0].state == TrialState.FAIL


def test_zero_stands_at_the_low_end(study: CellStudy) -> None:
    study.add(_record(lambda_enc=0.0, lambda_dec=0.0))
    (trial,) = study._study.trials
    assert trial.params == {LAMBDA_ENC: 1e-8, LAMBDA_DEC: 1e-8}
    assert (study.records()[0].lambda_enc, study.records()[0].lambda_dec) == (0.0, 0.0)


def test_the_low_end_is_read_as_zero(study: CellStudy) -> None:
    sampler = sampler_for(SPEC, 0)
    sampler.given = {LAMBDA_ENC: 1e-8, LAMBDA_DEC: 2e-8}
    trial = study.ask(sampler)
    assert study.suggest(trial, LAMBDA_ENC) == 0.0
    assert study.suggest(trial, LAMBDA_DEC) == 2e-8


def test_parameters_stay_inside_their_range(study: CellStudy) -> None:
    for smoothing, parameter in ((0.0, 1e-8), (1e-4, 1e-4), (1.01, 1.0)):
        assert study.parameters(_record(lambda_dec=smoothing))[LAMBDA_DEC] == parameter


def test_a_told_trial_is_a_real_optuna_trial(study: CellStudy) -> None:
    trial = study.ask(sampler_for(SPEC, 0))
    pair = {name: study.suggest(trial, name) for name in (LAMBDA_ENC, LAMBDA_DEC)}
    record = study.tell(trial, _record(lambda_enc=pair[LAMBDA_ENC], lambda_dec=pair[LAMBDA_DEC]))
    (stored,) = study._study.trials
    assert stored.params == pair
    assert (stored.state, stored.value) == (TrialState.COMPLETE, SCORE.mse)
    assert study.records() == (record,)


def test_a_failed_trial_is_told_as_failed(study: CellStudy) -> None:
    trial = study.ask(sampler_for(SPEC, 0))
    study.tell(trial, replace(_record(), score=None, reason="not finite"))
    assert study._study.trials[0].state == TrialState.FAIL
    assert study.records()[0].reason == "not finite"


def test_an_abandoned_trial_leaves_no_record(study: CellStudy) -> None:
    study.abandon(study.ask(sampler_for(SPEC, 0)))
    assert study.records() == ()
    assert study._study.trials[0].state == TrialState.FAIL


def test_stale_trials_are_failed(tmp_path: Path, study: CellStudy) -> None:
    study.ask(sampler_for(SPEC, 0))
    later = _open(tmp_path)
    later.abandon_stale()
    assert [trial.state for trial in later._study.trials] == [TrialState.FAIL]
    assert later.records() == ()


def test_a_stale_trial_with_its_record_is_finished(tmp_path: Path, study: CellStudy) -> None:
    trial = study.ask(sampler_for(SPEC, 0))
    for name in (LAMBDA_ENC, LAMBDA_DEC):
        study.suggest(trial, name)
    values = study.add(_record(1))
    stored = study._study.trials[values.number].user_attrs
    for key, value in stored.items():
        trial.set_user_attr(key, value)
    later = _open(tmp_path)
    later.abandon_stale()
    assert later._study.trials[0].state == TrialState.COMPLETE
    assert later._study.trials[0].value == SCORE.mse


def test_baselines_come_back_exactly(tmp_path: Path, study: CellStudy) -> None:
    assert study.baselines() == {}
    study.set_baselines({"bacc": SCORE})
    assert _open(tmp_path).baselines() == {"bacc": SCORE}


def test_a_cell_is_an_optuna_study_that_says_what_it_belongs_to(tmp_path: Path, study: CellStudy) -> None:
    loaded = optuna.load_study(study_name=study.cell.name, storage=open_storage(sqlite_url(tmp_path)))
    header = loaded.user_attrs["nercc_tune.study"]
    assert loaded.direction == optuna.study.StudyDirection.MINIMIZE
    assert header["digest"] == SPEC.digest
    assert header["spec"] == to_spec_json(SPEC)
    assert header["cell"]["stragglers"] == 2
