"""Studies whose codes are trained: trials that are trainings, what they leave, what serves, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from nercc_tune.cli import app
from nercc_tune.coding import TrainedCode
from nercc_tune.errors import TableError
from nercc_tune.export.attachments import networks_path
from nercc_tune.export.table import TunedTable, read_table
from nercc_tune.home import Home
from nercc_tune.launch.pipeline import launch
from nercc_tune.records import Training
from nercc_tune.serving import load_table
from nercc_tune.spec import StudySpec
from nercc_tune.tracking.deployment.promotion import promote
from nercc_tune.workloads import TrainingQueries
from tests.fakes import AXES, loader, tiny_model, tiny_spec, tiny_workload
from tests.program import assert_one_line, run_program

PARITY = (
    "code.kind=parity",
    "code.queries=3",
    "code.workers=5",
    "code.stragglers=[1, 2]",
    "search.objective=agreement",
    "search.trials=3",
    "search.pruner=median",
    "training.batches=[16, 32]",
    "training.initialisations=['base', 'random']",
    "training.epochs=[3]",
    "training.validation=30",
)
LEARNED = (*PARITY[1:7], "code.kind=learned", "training.epochs=[3]", "training.validation=30")
KINDS = {"parity": PARITY, "learned": LEARNED}
QUERIES = torch.randn(3, AXES, generator=torch.Generator().manual_seed(0))


def _training_queries(*_args: object, **_options: object) -> TrainingQueries:
    queries = nn.functional.normalize(torch.randn(300, AXES, generator=torch.Generator().manual_seed(9)), dim=-1) * 2
    labels = tiny_model()(queries).argmax(-1)
    return TrainingQueries(queries=queries, labels=labels, identity="vectors", available=300)


@pytest.fixture
def served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    monkeypatch.setattr("nercc_tune.launch.preparation.load_training_queries", _training_queries)


@pytest.fixture(scope="module", params=list(KINDS))
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp(request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
        patch.setattr("nercc_tune.launch.preparation.load_training_queries", _training_queries)
        launch(_spec(request.param), home)
    return home


def _spec(kind: str, *more: str) -> StudySpec:
    return tiny_spec("evaluation.heldout_groups=8", "evaluation.heldout_masks=12", *KINDS[kind], *more)


def _table(home: Home) -> TunedTable:
    return read_table(home.table("tiny"))


def _kind(home: Home) -> str:
    return "parity" if "parity" in home.root.name else "learned"


def _trained(home: Home) -> Iterator[tuple[int, TrainedCode]]:
    served = load_table(home.table("tiny"), model=tiny_model())
    for entry in served.table.entries:
        code = served.code(stragglers=entry.stragglers)
        assert isinstance(code, TrainedCode)
        yield entry.stragglers, code


def test_the_table_names_networks_that_lie_beside_it(home: Home) -> None:
    table = _table(home)
    assert table.networks
    for entry in table.entries:
        assert entry.design.training is not None
        assert entry.networks in table.networks
    for digest in table.networks:
        assert networks_path(home.table("tiny"), digest).is_file()


@pytest.mark.usefixtures("served_here")
def test_what_is_served_is_what_was_judged(home: Home) -> None:
    """The served code, group by group and mask by mask, has the figures that the table says."""
    from nercc_tune.launch.preparation import Preparation  # noqa: PLC0415 - after it was patched

    inference = Preparation(spec=_spec(_kind(home)), home=home).load()
    tuning = inference.draw("tuning")
    draws = inference.draw("heldout", tuning=tuning)
    model, groups = inference.workload.model, draws.outputs.groups
    truth = model(groups.queries.flatten(0, 1)).softmax(-1).unflatten(0, (-1, 3))
    for stragglers, code in _trained(home):
        (arrivals,) = draws.evaluators[stragglers].masks.batches
        networks = [model if name == "base" else code.network(name) for name in code.networks]
        errors = []
        for group, outputs in zip(groups.queries, truth, strict=True):
            sent = zip(code.encode(group), networks, strict=True)
            with torch.no_grad():
                answers = torch.stack([network(query[None])[0] for query, network in sent])
            errors += [
                (code.decode(answers[arrived], arrived).softmax(-1) - outputs).square().sum(-1).mean()
                for arrived in arrivals
            ]
        entry = _table(home).entry(stragglers)
        assert float(torch.stack(errors).mean()) == pytest.approx(entry.heldout.prob_mse.mean, abs=1e-6)


@pytest.mark.usefixtures("served_here")
def test_a_launch_repeated_trains_nothing_again(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.root, tmp_path / "copy")
    copied = Home(tmp_path / "copy")
    for digest in _table(home).networks:
        networks_path(copied.table("tiny"), digest).unlink()
    result = launch(_spec(_kind(home)), copied)
    assert "training" not in result.timings.seconds
    assert result.table.digest == _table(home).digest
    assert all(networks_path(copied.table("tiny"), digest).is_file() for digest in result.table.networks)


def test_each_trial_is_a_training_with_its_curve(home: Home) -> None:
    from nercc_tune.tuning import closing_storage, open_existing, read_history  # noqa: PLC0415

    with closing_storage(open_existing(home.storage_url)) as storage:
        history = read_history(storage, "tiny")
    for cell in history.cells:
        assert len(cell.trials) == 3
        assert all(len(trial.epochs) == (trial.pruned_after or 3) for trial in cell.trials)
        trainings = {trial.design.training for trial in cell.trials}
        assert len(trainings) == 3
        assert all(isinstance(training, Training) for training in trainings)
    first = history.cells[0].trials[0].design.training
    assert first is not None
    assert (first.learning_rate, first.weight_decay) == (1e-3, 1e-5)
    client = mlflow.MlflowClient(home.tracking_url)
    (experiment,) = [each for each in client.search_experiments() if each.name != "Default"]
    runs = client.search_runs([experiment.experiment_id], "tags.`nercc_tune.kind` = 'trial' and tags.S = '1'")
    curve = client.get_metric_history(runs[0].info.run_id, "validation_agreement")
    assert [point.step for point in curve] == list(range(1, len(curve) + 1))
    assert len(curve) >= 1
    assert float(runs[0].data.params["learning_rate"]) > 0


def test_the_report_shows_the_trainings(home: Home) -> None:
    folder = home.study("tiny")
    assert (folder / "figures" / "trainings.png").is_file()
    assert not (folder / "figures" / "landscape.png").exists()
    assert "searched learning rate 0.0001 to 0.01" in (folder / "report.md").read_text(encoding="utf-8")


def test_the_commands_carry_the_networks(home: Home, tmp_path: Path) -> None:
    runner, written = CliRunner(), tmp_path / "deployed.json"
    done = runner.invoke(app, ["export", "tiny", "--home", str(home.root), "-o", str(written)])
    assert done.exit_code == 0, done.output
    code, expected = load_table(written).policy(), load_table(home.table("tiny")).policy()
    answers = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(code.decode(answers, [0, 2, 4]), expected.decode(answers, [0, 2, 4]), rtol=0, atol=0)
    for suffix in (".md", ".csv", ".tex"):
        done = runner.invoke(app, ["export", "tiny", "--home", str(home.root), "-o", str(written.with_suffix(suffix))])
        assert done.exit_code == 0, done.output


def test_the_registered_model_encodes_and_decodes_without_the_study(home: Home, tmp_path: Path) -> None:
    served = load_table(home.table("tiny"))
    url = f"sqlite:///{tmp_path}/mlflow.db"
    done = promote(served.table, url=url, artifacts=tmp_path / "artifacts", force=True, attachments=served.attachments)
    mlflow.set_tracking_uri(url)
    model = mlflow.pyfunc.load_model(done.now.uri)
    answers = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    found = model.predict({"queries": QUERIES.numpy(), "answers": answers.numpy(), "arrived": np.array([0, 2, 4])})
    torch.testing.assert_close(torch.from_numpy(found), served.policy().decode(answers, [0, 2, 4]), rtol=0, atol=1e-6)
    sent = model.predict({"queries": QUERIES.numpy()})
    torch.testing.assert_close(torch.from_numpy(sent), served.policy().encode(QUERIES), rtol=0, atol=1e-6)


def _missing(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _changed(path: Path) -> None:
    from safetensors import safe_open  # noqa: PLC0415

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({name: value * 1.01 for name, value in load_file(path).items()}, path, metadata=metadata)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_missing, r"networks must lie in `.*table-[0-9a-f]{12}.safetensors`, which cannot be read"),
        (_cut, "is no whole file of a code's networks"),
        (_changed, "do not match the table's digest"),
    ],
)
def test_networks_that_are_not_the_tables_are_refused(spoil: object, message: str, home: Home, tmp_path: Path) -> None:
    for path in home.study("tiny").glob("table*"):
        shutil.copy(path, tmp_path / path.name)
    for digest in _table(home).networks:
        spoil(networks_path(tmp_path / "table.json", digest))  # type: ignore[operator]
    with pytest.raises(TableError, match=message):
        load_table(tmp_path / "table.json")


@pytest.mark.parametrize("command", [["export", "tiny", "-o", "deployed.json"], ["promote", "tiny", "--force"]])
def test_commands_without_the_networks_say_how_to_get_them(
    command: list[str], home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home.root, tmp_path / "copy")
    copied = Home(tmp_path / "copy")
    for digest in _table(home).networks:
        networks_path(copied.table("tiny"), digest).unlink()
    before = copied.root / "mlflow.db"
    known = before.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert run_program(monkeypatch, *command, "--home", str(copied.root)) == 2
    shown = capsys.readouterr().err
    assert_one_line(shown, "the table's networks must lie in `")
    assert shown.endswith("or launch its study again if this is its home.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert before.read_bytes() == known


@pytest.mark.usefixtures("served_here")
def test_a_training_that_diverges_is_a_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload(_unbounded())))
    wild = ("training.learning_rate={low=1e-4, high=1e12}", "search.pruner=none", "search.sampler=random")
    result = launch(_spec("parity", *wild, "search.trials=6", "search.seed=1"), Home(tmp_path))
    trials = result.history.cells[0].trials
    failed = [trial for trial in trials if trial.reason is not None]
    assert failed
    assert all("diverged in epoch" in str(trial.reason) for trial in failed)
    assert any(trial.is_complete for trial in trials)


def _unbounded() -> nn.Module:
    """Return a model whose outputs grow with a power of its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(AXES, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)]
    return nn.Sequential(*layers).eval().requires_grad_(requires_grad=False)


@pytest.mark.usefixtures("served_here")
def test_what_one_study_trained_another_finds(tmp_path: Path) -> None:
    one = launch(_spec("parity"), Home(tmp_path / "one"))
    again = launch(_renamed(_spec("parity")), Home(tmp_path / "one"))
    assert "training" not in again.timings.seconds
    assert one.table.networks == again.table.networks


def _renamed(spec: StudySpec) -> StudySpec:
    """Return the same study under another name: what is trained belongs to the home, not to a study."""
    return spec.model_copy(update={"name": "tiny-again"})
