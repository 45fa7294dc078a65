from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nercc_tune.errors import HomeError, StorageError
from nercc_tune.records import StudyHistory, from_json, to_json
from nercc_tune.tuning import (
    check_identity,
    delete_study,
    open_cells,
    open_storage,
    read_all,
    read_history,
    study_names,
)
from tests.fakes import bench, info, sqlite_url, tiny_cells, tiny_spec, tiny_workload


def test_a_history_holds_what_was_found(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.trials=2"), tmp_path)
    study.measure_baselines()
    study.search().run()
    history = read_history(open_storage(sqlite_url(tmp_path)), "tiny")
    assert (history.name, history.digest) == ("tiny", study.spec.digest)
    assert [cell.cell for cell in history.cells] == list(tiny_cells(study.spec))
    assert history.decoder_grid == study.spec.decoder_grid
    assert history.workload == info(tiny_workload())
    assert set(history.cells[0].baselines) == {"bacc", "nercc_ag", "replication", "uncoded", "default"}
    assert [cell.trials for cell in history.cells] == [cell.records() for cell in study.studies.values()]
    assert not history.is_finished
    assert history.policy is None
    assert from_json(StudyHistory, to_json(history)) == history


def test_urls_are_not_stored(tmp_path: Path) -> None:
    study = bench(tiny_spec("tracking.url=postgresql://ann:secret@host/db"), tmp_path)
    assert "secret" not in str(study.history().spec)


def test_a_study_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    storage = bench(tiny_spec(), tmp_path).storage
    with pytest.raises(StorageError, match=r"holds no study `other` \(it has: tiny\); run `nercc-tune launch` first"):
        read_history(storage, "other")


def test_an_empty_storage_has_no_studies(tmp_path: Path) -> None:
    storage = open_storage(sqlite_url(tmp_path))
    assert (study_names(storage), read_all(storage)) == ([], {})
    with pytest.raises(StorageError, match=r"\(it has: none\)"):
        read_history(storage, "tiny")


def test_all_studies_of_a_storage_are_read(tmp_path: Path) -> None:
    for name in ("b", "a"):
        bench(tiny_spec(f"name={name}"), tmp_path)
    storage = open_storage(sqlite_url(tmp_path))
    assert study_names(storage) == ["a", "b"]
    assert {name: history.name for name, history in read_all(storage).items()} == {"a": "a", "b": "b"}


def test_studies_of_others_are_left_alone(tmp_path: Path) -> None:
    storage = bench(tiny_spec(), tmp_path).storage
    optuna.create_study(storage=storage, study_name="somebody's")
    assert study_names(storage) == ["tiny"]
    delete_study(storage, "tiny")
    assert optuna.get_all_study_names(storage) == ["somebody's"]


def test_a_study_is_deleted_with_all_its_cells_and_no_other(tmp_path: Path) -> None:
    storage = bench(tiny_spec(), tmp_path).storage
    bench(tiny_spec("name=tiny-too"), tmp_path)
    delete_study(storage, "tiny")
    assert study_names(storage) == ["tiny-too"]
    assert len(optuna.get_all_study_names(storage)) == 2
    delete_study(storage, "tiny")


@pytest.mark.parametrize("change", ["evaluation.seed=1", "search.seed=1", "code.stragglers=[2]"])
def test_another_study_file_of_the_same_name_is_refused(change: str, tmp_path: Path) -> None:
    storage = bench(tiny_spec(), tmp_path).storage
    other = tiny_spec(change)
    with pytest.raises(HomeError, match=r"another study file named `tiny`; launch with `--fresh` .* another name"):
        check_identity(storage, other)
    with pytest.raises(HomeError, match="another study file named `tiny`"):
        open_cells(storage, other, tiny_cells(other), info(tiny_workload()))


def test_other_weights_or_data_are_refused(tmp_path: Path) -> None:
    storage = bench(tiny_spec(), tmp_path).storage
    changed = info(tiny_workload(fingerprint="other"))
    with pytest.raises(HomeError, match=r"the weights or the data of study `tiny` changed .*`--fresh`"):
        open_cells(storage, tiny_spec(), tiny_cells(tiny_spec()), changed)
    check_identity(storage, tiny_spec())


def test_what_decides_no_result_is_accepted(tmp_path: Path) -> None:
    storage = bench(tiny_spec(), tmp_path).storage
    longer = tiny_spec("search.trials=20", "workload.chunk=7")
    assert sorted(open_cells(storage, longer, tiny_cells(longer), info(tiny_workload()))) == [2, 4]


def test_records_of_another_version_are_refused(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.trials=1"), tmp_path)
    study.search().run()
    optuna_study = study.studies[2]._study
    optuna_study.add_trial(
        optuna.trial.create_trial(value=0.0, user_attrs={"nercc_tune.record": {"uid": "a", "number": 3}})
    )
    with pytest.raises(StorageError, match=r"study `tiny` was written by another version of nercc_tune; .*`--fresh`"):
        study.history()
