"""The registry against real stores: an SQLite file, and a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nercc_tune import NonFiniteAnswers, load_table
from nercc_tune.coding import LinearCode
from nercc_tune.errors import TableError, TrackingError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Design
from nercc_tune.serving import ServedTable
from nercc_tune.tracking.deployment.deployed import CHAMPION, PREVIOUS, Deployed, DeployedCode, Version
from nercc_tune.tracking.deployment.note import deployment_note, write_decoding
from nercc_tune.tracking.deployment.packaging import requirements, save_coded_model
from nercc_tune.tracking.deployment.registry import Registry, is_blank
from nercc_tune.tracking.silent import MlflowClient, MlflowException
from nercc_tune.tracking.sync import sync
from tests.builders import study_history, tuned_table
from tests.served import nodal
from tests.tracking.conftest import Store, project

pytestmark = [
    # MLflow about its own type hints and ours, wherever a model is loaded.
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*noload:DeprecationWarning"),
]

NAME = "nercc-lenet5-mnist-K50-N200"
TABLE = tuned_table(stragglers=(20, 40))
CODE = DeployedCode.of(TABLE)
FITTED = Design(ordering="nearest-neighbour", nodes="chord-length", decode_space="logits-softmax")
RNG = np.random.default_rng(0)
QUERIES = RNG.random((50, 1, 32, 32), dtype=np.float32)
ARRIVED = RNG.permutation(200)[:165]
ANSWERS = RNG.random((165, 10), dtype=np.float32)


def registry(store: Store) -> Registry:
    return Registry(store.url, store.artifacts)


def register(store: Store, table: TunedTable = TABLE, *, stragglers: int | None = None, name: str = NAME) -> Version:
    code = DeployedCode.of(table, stragglers=stragglers)
    return registry(store).register(ServedTable(table), code, name=name, promoted_at="2026-01-02T03:04:05+00:00")


def redesigned(design: Design) -> TunedTable:
    """Return a table whose codes have another design."""
    entries = tuple(replace(entry, design=design) for entry in TABLE.entries)
    return replace(TABLE, entries=entries, policy=replace(TABLE.policy, design=design))


def expected(code: LinearCode) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what `load_table` makes of the group: the coded queries and the estimates."""
    group = code.on(torch.from_numpy(QUERIES))
    estimates = group.decode(torch.from_numpy(ANSWERS), torch.from_numpy(ARRIVED))
    return group.encode(torch.from_numpy(QUERIES)).numpy(), estimates.numpy()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store, str], Any]:
    """Return what loads a model as a serving system would."""

    def loaded(store: Store, uri: str) -> Any:
        import mlflow.pyfunc  # noqa: PLC0415 - after `silent`

        monkeypatch.setenv("MLFLOW_TRACKING_URI", store.url)
        return mlflow.pyfunc.load_model(uri)

    return loaded


def assert_same_numbers(model: Any, code: LinearCode) -> None:
    coded, estimates = expected(code)
    received: dict[str, Any] = {"queries": QUERIES, "answers": ANSWERS, "arrived": ARRIVED}
    lists: dict[str, Any] = {name: array.tolist() for name, array in received.items()}  # as over REST
    for given in (received, lists):
        np.testing.assert_array_equal(model.predict({"queries": given["queries"]}), coded, strict=True)
        np.testing.assert_array_equal(model.predict(given), estimates, strict=True)


@pytest.mark.parametrize("design", [TABLE.policy.design, FITTED], ids=["arrival", "fitted"])
@pytest.mark.parametrize("stragglers", [None, 40])
def test_the_champion_gives_the_numbers_of_the_table(
    store: Store, load: Callable[[Store, str], Any], tmp_path: Path, design: Design, stragglers: int | None
) -> None:
    table = redesigned(design)
    deployed = registry(store).promote(register(store, table, stragglers=stragglers), instead_of=None)
    (tmp_path / "table.json").write_text(table.to_json(), encoding="utf-8")
    served = load_table(tmp_path / "table.json")
    code = nodal(served.policy() if stragglers is None else served.code(stragglers=stragglers))
    assert deployed.uri == f"models:/{NAME}@champion"
    assert_same_numbers(load(store, deployed.uri), code)


@pytest.mark.slow
def test_a_server_serves_the_same(served: Store, load: Callable[[Store, str], Any]) -> None:
    name = "over-http"
    first = registry(served).promote(register(served, name=name), instead_of=None)
    other = register(served, redesigned(FITTED), stragglers=20, name=name)
    second = registry(served).promote(other, instead_of=first.champion)
    assert second.champion == other
    assert second.previous == first.champion
    assert_same_numbers(load(served, second.uri), nodal(ServedTable(redesigned(FITTED)).code(stragglers=20)))
    assert second.previous is not None
    assert_same_numbers(load(served, second.previous.uri), nodal(ServedTable(TABLE).policy()))
    back = registry(served).rollback(second, promoted_at="2026-02-03T00:00:00+00:00")
    assert back.champion is not None
    assert (back.champion.version, back.champion.code) == (1, CODE)
    assert registry(served).find(name, CODE) == back.champion


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the policy as a model, loaded from its folder."""
    import mlflow.pyfunc  # noqa: PLC0415 - after `silent`

    return mlflow.pyfunc.load_model(str(save_coded_model(ServedTable(TABLE), CODE, tmp_path_factory.mktemp("saved"))))


_BAD = {
    "other queries": (
        {"queries": QUERIES[:5]},
        r"`queries` must be .* shape \(50, 1, 32, 32\), but got float32 of shape",
    ),
    "whole numbers": ({"queries": QUERIES.astype(np.uint8)}, "`queries` must be floating point .* but got uint8"),
    "words": ({"queries": "these"}, "`queries` must be numbers of shape .* but they make no array"),
    "ragged": ({"queries": [[1.0], [1.0, 2.0]]}, "`queries` must be numbers of shape"),
    "NaN": ({"queries": QUERIES * np.nan}, "`queries` must be finite"),
    "nobody's answers": ({"queries": QUERIES, "answers": ANSWERS}, "`answers` and `arrived` must be given together"),
    "unanswered": ({"queries": QUERIES, "arrived": ARRIVED}, "`answers` and `arrived` must be given together"),
    "none": ({"queries": QUERIES, "answers": [], "arrived": []}, "`arrived` must be .* at least one"),
    "too few answers": (
        {"queries": QUERIES, "answers": ANSWERS[:3], "arrived": ARRIVED},
        r"`answers` must be floating point of shape \(165, 10\), but got float32 of shape \(3, 10\)",
    ),
    "twice": (
        {"queries": QUERIES, "answers": ANSWERS, "arrived": np.zeros(165, dtype=np.int64)},
        "`arrived` must name each worker once",
    ),
    "unknown": (
        {"queries": QUERIES, "answers": ANSWERS, "arrived": ARRIVED + 100},
        "`arrived` must hold worker numbers from 0 to 199",
    ),
    "too few workers": (
        {"queries": QUERIES, "answers": ANSWERS[:9], "arrived": ARRIVED[:9]},
        "`arrived` must be from 160 to 200 workers, but got 9",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_bad_input_is_refused_in_a_line(model: Any, case: str) -> None:
    given, message = _BAD[case]
    with pytest.raises((ValueError, TableError), match=message) as caught:
        model.predict(given)
    if case not in ("twice", "unknown"):  # which list the workers
        assert len(str(caught.value).splitlines()) == 1


def test_an_answer_that_is_not_finite_has_not_arrived(model: Any) -> None:
    spoilt = ANSWERS.copy()
    spoilt[3, 5] = np.nan
    kept = [at for at in range(len(ARRIVED)) if at != 3]
    with pytest.warns(NonFiniteAnswers, match=f"the answers of workers {ARRIVED[3]} hold a NaN"):
        found = model.predict({"queries": QUERIES, "answers": spoilt, "arrived": ARRIVED})
    left = model.predict({"queries": QUERIES, "answers": ANSWERS[kept], "arrived": ARRIVED[kept]})
    np.testing.assert_array_equal(found, left)


def test_what_is_none_is_not_there(model: Any) -> None:
    given = {"queries": QUERIES, "answers": None, "arrived": None}
    np.testing.assert_array_equal(model.predict(given), expected(nodal(ServedTable(TABLE).policy()))[0])


def test_several_groups_are_refused(model: Any) -> None:
    import pandas as pd  # noqa: PLC0415 - for this test

    with pytest.raises(ValueError, match="the input must be one group, but got 2 rows"):
        model.predict(pd.DataFrame({"queries": [QUERIES, QUERIES]}))


def test_the_model_says_what_it_takes_and_needs(model: Any) -> None:
    schema = model.metadata.get_input_schema()
    assert (schema.required_input_names(), schema.optional_input_names()) == (["queries"], ["answers", "arrived"])
    assert model.metadata.metadata["shapes"] == {
        "queries": "float32 [50, 1, 32, 32]",
        "answers": "float32 [F, 10]",
        "arrived": "int64 [F]",
        "encoded": "float32 [200, 1, 32, 32]",
        "decoded": "float32 [50, 10]",
    }
    assert [line.partition("==")[0] for line in requirements()] == ["nercc-tune", "torch", "numpy"]


def test_the_folder_holds_nothing_of_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in ("uv.lock", "pyproject.toml", ".python-version"):
        Path(name).write_text("", encoding="utf-8")
    folder = save_coded_model(ServedTable(TABLE), CODE, tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "MLmodel",
        "artifacts",
        "coded_model.py",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
    }
    assert set(requirements()) < set((folder / "requirements.txt").read_text(encoding="utf-8").splitlines())


def test_a_table_that_was_changed_is_not_loaded(store: Store, load: Callable[[Store, str], Any]) -> None:
    deployed = registry(store).promote(register(store), instead_of=None)
    (table,) = store.artifacts.rglob("table.json")
    table.write_text(table.read_text(encoding="utf-8").replace('"mnist"', '"mnits"'), encoding="utf-8")
    with pytest.raises(TableError, match="the table's digest does not match its content"):
        load(store, deployed.uri)


def test_a_version_is_read_from_its_tags(store: Store) -> None:
    made = register(store, stragglers=40)
    for path in list(store.artifacts.rglob("*")):
        if path.is_file():
            path.unlink()
    now = registry(store).promote(made, instead_of=None)
    assert now == Deployed(name=NAME, champion=made, previous=None)
    assert made.code == DeployedCode.of(TABLE, stragglers=40)
    assert (made.uri, made.version) == (f"models:/{NAME}/1", 1)
    assert made.code.lambda_dec == {40: TABLE.entry(40).lambda_dec}


def test_the_description_and_the_run_say_what_it_is(store: Store) -> None:
    made = register(store, stragglers=40)
    found = store.client().get_model_version(NAME, "1")
    for text in (
        f"### λ_enc = {TABLE.entry(40).lambda_enc:.6g}, λ_dec = {TABLE.entry(40).lambda_dec:.6g}",
        "of which 40 straggle: lenet5 on mnist; code: chebyshev, probabilities;",
        "the workers answer with softmax outputs",
        f'load_model("models:/{NAME}@champion")',
        "# float32 [50, 1, 32, 32] → [200, 1, 32, 32]",
        "| **this code** |",
        "| BACC |",
        " to NeRCC at (0, 0)",
        TABLE.digest,
    ):
        assert text in str(found.description)
    run = store.client().get_run(made.run_id)
    assert (run.info.status, run.data.tags["nercc_tune.kind"]) == ("FINISHED", "deployment")
    assert run.data.tags["mlflow.note.content"] == found.description


def test_a_policy_of_many_counts_fits_into_the_description() -> None:
    entry = TABLE.policy.entries[0]
    many = replace(TABLE.policy, entries=tuple(replace(entry, stragglers=count) for count in range(150)))
    table = replace(TABLE, policy=many, workload=replace(TABLE.workload, data=6000 * "x"))
    code = DeployedCode.of(table)
    assert write_decoding(code).count(" at S = ") == 20
    assert len(deployment_note(table, code, name=NAME)) == 5000
    assert DeployedCode.from_tags(code.tags()) == code


def test_the_same_content_is_found_while_its_files_are_there(store: Store) -> None:
    first, second = register(store), register(store)
    assert registry(store).find(NAME, CODE) == second
    assert registry(store).find(NAME, replace(CODE, lambda_enc=0.5)) is None
    assert registry(store).find("another", CODE) is None
    for path in store.artifacts.rglob("MLmodel"):
        if second.run_id in path.parts:
            path.unlink()
    assert registry(store).find(NAME, CODE) == first


class Failing:
    """A client of which one method fails."""

    def __init__(self, client: MlflowClient, method: str) -> None:
        self._client = client
        self._method = method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            return self._fail
        return getattr(self._client, name)

    def _fail(self, *_arguments: object, **_named: object) -> None:
        raise MlflowException("the line is\n dead")


_STEPS = (
    "create_run",
    "log_artifacts",
    "set_terminated",
    "create_registered_model",
    "create_model_version",
    "set_model_version_tag",
    "set_registered_model_alias",
)


def test_an_interruption_at_any_step_leaves_the_champion(store: Store) -> None:
    before = registry(store).promote(register(store), instead_of=None)
    code = DeployedCode.of(TABLE, stragglers=40)
    for step in _STEPS:
        broken = registry(store)
        broken._client = Failing(store.client(), step)  # type: ignore[assignment]  # as far as it is used
        with pytest.raises(TrackingError, match=r"failed \(the line is dead\); check that"):
            broken.promote(
                broken.register(ServedTable(TABLE), code, name=NAME, promoted_at="2026"), instead_of=before.champion
            )
        assert registry(store).read(NAME) == before
    runs = store.client().search_runs([store.client().get_run(register(store).run_id).info.experiment_id])
    assert {run.info.status for run in runs} <= {"FINISHED", "FAILED", "RUNNING"}
    after = registry(store).promote(register(store, stragglers=40), instead_of=before.champion)
    assert (after.champion and after.champion.code, after.previous) == (code, before.champion)


def test_an_interruption_between_the_aliases_leaves_the_champion(store: Store) -> None:
    before = registry(store).promote(register(store), instead_of=None)
    new = register(store, stragglers=40)
    broken = registry(store)
    broken._client = Failing(store.client(), "set_model_version_tag")  # type: ignore[assignment]  # as far as it is used
    with pytest.raises(TrackingError, match="the line is dead"):
        broken.promote(new, instead_of=before.champion)
    aliases = store.client().get_registered_model(NAME).aliases
    assert {alias: int(version) for alias, version in aliases.items()} == {CHAMPION: 1, PREVIOUS: 1}
    assert registry(store).read(NAME) == before


def test_what_somebody_else_registered_is_not_read(store: Store) -> None:
    client = store.client()
    client.create_registered_model("theirs")
    client.create_model_version("theirs", "/somewhere")
    client.set_registered_model_alias("theirs", CHAMPION, "1")
    with pytest.raises(TrackingError, match="version 1 of the registered model `theirs` is not from nercc-tune"):
        registry(store).read("theirs")


def test_there_is_no_previous_to_roll_back_to(store: Store) -> None:
    deployed = registry(store).promote(register(store), instead_of=None)
    with pytest.raises(ValueError, match=r"`deployed\.previous` must be a version"):
        registry(store).rollback(deployed, promoted_at="2026")


@pytest.mark.slow
def test_a_sync_leaves_deployments_alone(store: Store) -> None:
    history = study_history(stragglers=(20, 40))
    project(store, history).close(status="FINISHED")
    made = register(store)
    report = sync(history, url=store.url, artifacts=store.artifacts)
    assert (report.added, report.closed, report.removed) == (0, 0, 0)
    run = store.client().get_run(made.run_id)
    assert (run.info.status, run.info.lifecycle_stage) == ("FINISHED", "active")
    experiment = store.client().get_experiment_by_name("lenet5-mnist")
    assert experiment is not None
    assert run.info.experiment_id == experiment.experiment_id


def test_a_deleted_experiment_is_restored(store: Store) -> None:
    first = store.client().get_run(register(store).run_id).info.experiment_id
    store.client().delete_experiment(first)
    assert store.client().get_run(register(store).run_id).info.experiment_id == first


def test_a_blank_store_is_told_from_a_used_one(store: Store, tmp_path: Path) -> None:
    assert not is_blank(store.url)
    assert is_blank(f"sqlite:///{tmp_path}/absent.db")
    assert not (tmp_path / "absent.db").exists()
    (tmp_path / "empty.db").touch()
    assert is_blank(f"sqlite:///{tmp_path}/empty.db")
    assert (tmp_path / "empty.db").stat().st_size == 0
    assert not is_blank("http://127.0.0.1:9")
