from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.errors import (
    HomeError,
    NerccTuneError,
    OutputError,
    SpecError,
    StorageError,
    TraceError,
    TrackingError,
    WorkloadError,
)
from nercc_tune.export.table import read_table
from nercc_tune.home import Home
from nercc_tune.launch.pipeline import LaunchEvents, launch
from nercc_tune.records import TrialRecord
from nercc_tune.serving import load_table
from nercc_tune.spec import build_study
from nercc_tune.tracking.silent import MlflowClient
from nercc_tune.tuning import open_storage, read_history
from tests.fakes import (
    FailsOnSmooth,
    finished_home,
    finished_result,
    loader,
    timeless,
    tiny_home,
    tiny_model,
    tiny_spec,
    tiny_workload,
)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.getbasetemp())  # outside a checkout, whose commit is a part of the table
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_launch_leaves_table_figures_and_report(tmp_path: Path) -> None:
    home, result = finished_home(tmp_path), finished_result()
    folder = home.study("tiny")
    assert {"table.json", "study.json", "report.md"} <= _files(folder)
    assert len(list((folder / "figures").glob("*.png"))) >= 4
    assert "tiny" in (folder / "report.md").read_text(encoding="utf-8")
    assert read_table(folder / "table.json") == result.table
    assert result.tracking_error is None


def test_the_study_is_written_as_it_was_launched(tmp_path: Path) -> None:
    folder = finished_home(tmp_path).study("tiny")
    written = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    assert build_study(written).digest == tiny_spec().digest


def test_the_table_holds_every_cell() -> None:
    result = finished_result()
    table = result.table
    assert (table.study, table.study_digest) == ("tiny", tiny_spec().digest)
    assert [entry.stragglers for entry in table.entries] == [2, 4]
    assert [entry.stragglers for entry in table.policy.entries] == [2, 4]
    assert (table.workload.model, table.workload.fingerprint) == ("tiny", "tiny")
    for entry in table.entries:
        assert entry.trials == 8
        assert entry.forwards == result.forwards["tuning"] == 3 + 6
        assert (entry.model, entry.data) == ("lenet5", "digits")


def test_the_table_can_be_served(tmp_path: Path) -> None:
    folder = finished_home(tmp_path).study("tiny")
    code = load_table(folder / "table.json").code(stragglers=4)
    queries = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    assert code.decode(code.encode(queries)[4:], range(4, 12)).shape == (5, 6)


def test_every_trial_is_tracked(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    client = MlflowClient(tracking_uri=home.tracking_url)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id], max_results=100))
    assert len(runs) == 2 + 2 * 8
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_events_tell_what_happens(tmp_path: Path) -> None:
    stages: list[str] = []
    trials: list[TrialRecord] = []
    proposals: list[tuple[int, int]] = []
    events = LaunchEvents(
        stage=stages.append, trial=trials.append, proposal=lambda done, budget: proposals.append((done, budget))
    )
    result = launch(tiny_spec("search.trials=1"), tiny_home(tmp_path), events=events)
    assert stages[0] == "loading lenet5 on digits"
    assert {"searching", "judging on fresh and held-out queries", "writing the table and the figures"} <= set(stages)
    assert proposals == [(1, 3), (2, 3), (3, 3)]
    assert timeless(trials[:2]) == timeless([cell.trials[0] for cell in result.history.cells])
    own = {"checks", "data", "warm-up", "encode", "forward", "decode", "storage", "sampling", "judging", "figures"}
    assert set(result.timings.seconds) == {*own, "tracking"}
    assert all(seconds >= 0 for seconds in result.timings.seconds.values())


def test_a_launch_may_search_the_whole_code_for_a_random_count(tmp_path: Path) -> None:
    spec = tiny_spec(
        "code={ queries = 5, workers = 12, rack = 3 }",
        "straggling={ model = 'latency', rule = 'deadline', deadline = 2.0, strata = 2 }",
        "search.orderings=['arrival', 'nearest-neighbour']",
        "search.nodes=['chebyshev', 'chord-length']",
        "search.assignments=['identity', 'interleaved']",
        "search.decode_spaces=['probabilities', 'logits-softmax']",
        "search.trials=2",
    )
    result = launch(spec, tiny_home(tmp_path), features=lambda queries: queries[:, :2])
    assert len(result.table.entries) == len(result.history.cells) == 2
    assert sum(entry.weight for entry in result.table.entries) == pytest.approx(1, abs=1e-12)
    assert all(entry.waiting is not None and entry.waiting > 0 for entry in result.table.entries)
    assert {entry.forwards for entry in result.table.entries} == {result.forwards["tuning"]}
    assert [entry.stragglers for entry in result.table.policy.entries] == [
        entry.stragglers for entry in result.table.entries
    ]
    assert launch(spec, Home(tmp_path), features=lambda queries: queries[:, :2]).table == result.table


def test_launching_again_adds_nothing_and_runs_no_model(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    before = read_history(open_storage(home.storage_url), "tiny")
    again = launch(tiny_spec(), home)
    assert again.forwards == {"tuning": 0, "validation": 0, "heldout": 0}
    assert again.history == before
    assert again.table == finished_result().table


def test_more_trials_judge_again(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    result = launch(tiny_spec("search.trials=8"), home)
    assert result.forwards["tuning"] == 2
    assert {entry.trials for entry in result.table.entries} == {10}
    assert {entry.forwards for entry in result.table.entries} == {11}
    assert read_table(home.study("tiny") / "table.json") == result.table


def test_starting_over_forgets_the_results(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    other = tiny_spec("search.seed=1", "search.trials=2")
    with pytest.raises(HomeError, match="another study file named `tiny`"):
        launch(other, home)
    assert read_table(home.study("tiny") / "table.json") == finished_result().table
    result = launch(other, home, fresh=True)
    assert result.table.study_digest == other.digest
    assert {entry.trials for entry in result.table.entries} == {4}
    assert [cell.trials[0].proposal for cell in result.history.cells] == [0, 0]


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = finished_home(tmp_path)
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload(fingerprint="other")))
    with pytest.raises(HomeError, match="the weights or the data of study `tiny` changed"):
        launch(tiny_spec(), home)


class _Interrupting:
    """Interrupts a launch when it has heard enough."""

    def __init__(self, at: int) -> None:
        self.left = at

    def trial(self, _record: TrialRecord) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def stage(self, text: str) -> None:
        if text == "judging on fresh and held-out queries" and self.left > 0:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_launch_ends_with_the_table_of_an_undisturbed_one(tmp_path: Path) -> None:
    """Stopped at a trial, at another one, and after the search."""
    home = tiny_home(tmp_path)
    for at in (3, 6, 100):
        stop = _Interrupting(at)
        with pytest.raises(KeyboardInterrupt):
            launch(tiny_spec(), home, events=LaunchEvents(trial=stop.trial, stage=stop.stage))
        assert not read_history(open_storage(home.storage_url), "tiny").is_finished
    resumed = launch(tiny_spec(), home)
    assert resumed.table.digest == finished_result().table.digest
    assert resumed.forwards["tuning"] == 0


def test_an_interrupted_launch_leaves_no_run_open(tmp_path: Path) -> None:
    home = tiny_home(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        launch(tiny_spec(), home, events=LaunchEvents(trial=_Interrupting(3).trial))
    client = MlflowClient(tracking_uri=home.tracking_url)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    assert "RUNNING" not in {run.info.status for run in client.search_runs([experiment.experiment_id])}


def test_a_study_that_another_process_holds_is_refused(tmp_path: Path) -> None:
    home = tiny_home(tmp_path)
    with home.locked("tiny"), pytest.raises(HomeError, match=rf"is being launched by process {os.getpid()} on "):
        launch(tiny_spec(), home)


def test_a_trial_that_fails_does_not_end_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = tiny_workload(FailsOnSmooth(tiny_model(), shortest=1.6))
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(workload))
    result = launch(tiny_spec("search.sampler=grid"), tiny_home(tmp_path))
    for cell in result.history.cells:
        assert [trial.is_complete for trial in cell.trials] == [True] * 6 + [False] * 2
    assert {entry.trials for entry in result.table.entries} == {6}
    assert result.tracking_error is None


def test_implausible_outputs_are_said_once_before_the_search_and_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = tiny_workload(nn.Sequential(tiny_model(), nn.Softmax(dim=-1)))
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(workload))
    told: list[str] = []
    home = tiny_home(tmp_path)
    events = LaunchEvents(notice=told.append, trial=lambda _: told.append("trial"))
    result = launch(tiny_spec("search.trials=1"), home, events=events)
    warning = result.table.workload.warning
    assert warning is not None
    assert "the outputs already are probabilities, and get a second softmax" in warning
    assert told.index(f"warning: {warning}") < told.index("trial")
    assert told.count(f"warning: {warning}") == 1
    assert read_table(result.folder / "table.json").workload.warning == warning
    assert (result.folder / "report.md").read_text(encoding="utf-8").count("**Warning**: the plain outputs") == 1
    assert "the plain outputs are implausible" in (result.folder / "report.html").read_text(encoding="utf-8")
    experiment = MlflowClient(tracking_uri=home.tracking_url).get_experiment_by_name("tiny")
    assert experiment is not None
    assert warning in experiment.tags["mlflow.note.content"]


def test_a_model_that_says_it_gives_probabilities_has_the_figures_of_its_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = replace(tiny_workload(nn.Sequential(tiny_model(), nn.Softmax(dim=-1))), output_kind="probabilities")
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(ending))
    result = launch(tiny_spec("workload.outputs=probabilities"), tiny_home(tmp_path))
    assert (result.table.workload.output_kind, result.table.workload.warning) == ("probabilities", None)
    for entry, expected in zip(result.table.entries, finished_result().table.entries, strict=True):
        assert entry.lambda_enc == pytest.approx(expected.lambda_enc, rel=1e-3)
        assert entry.heldout.prob_mse.mean == pytest.approx(expected.heldout.prob_mse.mean, rel=1e-4)


class _Wide(nn.Module):
    def forward(self, queries: Tensor) -> Tensor:
        return queries[:, None]


_REFUSED: dict[str, tuple[tuple[str, ...], type[NerccTuneError], str]] = {
    "unknown nodes": (("code.nodes=random",), SpecError, r"`nodes` must be one of .*chebyshev, .* but got 'random'"),
    "an unknown device": (("workload.device=abacus",), SpecError, "`workload.device` must be .* got 'abacus'"),
    "too few queries": (
        ("evaluation.heldout_groups=400",),
        WorkloadError,
        "`digits` has 200 queries, but 3 tuning, 2 validation and 400 held-out groups of 5 take 2025",
    ),
    "unreachable storage": (("storage.url=postgresql://a:secret@127.0.0.1:9/x",), StorageError, r"a:\*\*\*@127"),
    "malformed storage": (("storage.url=here",), StorageError, "cannot use the Optuna storage <malformed URL>"),
    "unreachable tracking": (("tracking.url=http://127.0.0.1:9",), TrackingError, "cannot be reached"),
    "malformed tracking": (("tracking.url=here",), TrackingError, "the tracking URL must be"),
}


@pytest.mark.parametrize("fresh", [False, True], ids=["again", "fresh"])
@pytest.mark.parametrize("case", _REFUSED)
def test_what_cannot_be_launched_is_refused_before_anything_is_written(case: str, fresh: bool, tmp_path: Path) -> None:
    overrides, kind, message = _REFUSED[case]
    with pytest.raises(kind, match=message) as refused:
        launch(tiny_spec(*overrides), Home(tmp_path / "home"), fresh=fresh)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_workload_that_cannot_be_loaded_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise WorkloadError("there is no such model.")

    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", refuse)
    elsewhere = f"storage.url=sqlite:///{tmp_path}/elsewhere/optuna.db"
    for spec in (tiny_spec(), tiny_spec(elsewhere)):
        with pytest.raises(WorkloadError, match="there is no such model"):
            launch(spec, Home(tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("mine", encoding="utf-8")
    with pytest.raises(NerccTuneError, match=r"cannot be written"):
        launch(tiny_spec(), Home(tmp_path / "home"))
    assert (tmp_path / "home").read_text(encoding="utf-8") == "mine"


_Model = Callable[[], nn.Module]
_BROKEN: dict[str, tuple[_Model, str]] = {
    "NaN on plain queries": (
        lambda: FailsOnSmooth(tiny_model(), shortest=10.0),
        "the model's outputs on plain queries must be finite",
    ),
    "not one row a query": (_Wide, "the model must return one row for each"),
}


@pytest.mark.parametrize("case", _BROKEN)
def test_a_model_that_cannot_be_served_is_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, message = _BROKEN[case]
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload(model())))
    home = Home(tmp_path / "home")
    with pytest.raises(OutputError, match=message):
        launch(tiny_spec(), home)
    assert not home.has_storage


@pytest.mark.slow
def test_the_same_file_gives_the_same_table_whatever_is_kept(tmp_path: Path) -> None:
    """With nothing on disk and next to nothing in memory forwards are repeated, and their results are equal."""
    again = launch(tiny_spec("cache.disk=false", "cache.memory_mb=0"), tiny_home(tmp_path))
    assert again.table.digest == finished_result().table.digest


@pytest.mark.parametrize(
    ("late", "iterations"),
    [
        pytest.param(lambda at: at // 10, 100, id="a growing load"),
        pytest.param(lambda at: at % 7, 60, id="a short trace", marks=pytest.mark.slow),
    ],
)
def test_a_trace_whose_parts_differ_is_judged_and_that_said_before_the_search(
    late: Callable[[int], int], iterations: int, tmp_path: Path
) -> None:
    home = tiny_home(tmp_path)
    home.data.mkdir()
    rows = [",".join(["inf"] * late(at) + [str(1 + at % 3)] * (12 - late(at))) for at in range(iterations)]
    header = ",".join(f"latency_worker_{worker}" for worker in range(12))
    (home.data / "t.csv").write_text("\n".join([header, *rows]))
    spec = tiny_spec(
        "code={ queries = 5, workers = 12 }",
        "straggling={ model = 'trace', path = 't.csv', rule = 'deadline', deadline = 5.0, unit = 'ms' }",
    )
    told: list[str] = []
    result = launch(spec, home, events=LaunchEvents(stage=told.append, notice=told.append))
    assert sum(entry.weight for entry in result.table.entries) == pytest.approx(1)
    assert any("answers" in line and "never came" in line for line in told[: told.index("loading")])


def test_a_trace_that_is_too_short_for_judging_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", data_dir=tmp_path)
    (tmp_path / "t.csv").write_text(
        "\n".join([",".join(f"latency_worker_{w}" for w in range(12)), *[",".join("1" * 12)] * 12])
    )
    spec = tiny_spec("straggling={ model = 'trace', path = 't.csv' }", "evaluation.heldout_masks=6")
    with pytest.raises(
        TraceError, match=r"held-out part of the trace has 5 iterations, but `evaluation.heldout_masks`"
    ):
        launch(spec, home)
    assert not home.root.exists()
