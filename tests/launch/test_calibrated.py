"""A study whose codes are decoded by measured moments: what it leaves, what serves, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from nercc_tune.cli import app
from nercc_tune.errors import TableError
from nercc_tune.export.moments import moments_path
from nercc_tune.export.table import TunedTable, read_table
from nercc_tune.home import Home
from nercc_tune.launch.pipeline import launch
from nercc_tune.selection.replication import REPLICATION_KERNEL
from nercc_tune.serving import load_table
from nercc_tune.tracking.deployment.promotion import promote
from tests.fakes import loader, tiny_inference, tiny_spec, tiny_workload

CALIBRATED = (
    "search.decoders=['calibrated']",
    "search.nodes=['copies']",
    "search.copies=[1, 2]",
    "search.objective=prob_mse",
    "search.trials=2",
    "evaluation.tuning_groups=6",
)
QUERIES = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("calibrated"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
        launch(tiny_spec(*CALIBRATED), home)
    return home


@pytest.fixture
def copied(home: Home, tmp_path: Path) -> Path:
    """Return a table of its own with its moments."""
    for path in (home.table("tiny"), moments_path(home.table("tiny"))):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / "table.json"


def _table(home: Home) -> TunedTable:
    return read_table(home.table("tiny"))


def test_the_table_names_moments_and_the_file_has_them(home: Home) -> None:
    table = _table(home)
    calibrated = [entry for entry in table.entries if entry.design.decoder == "calibrated"]
    assert calibrated
    for entry in calibrated:
        assert entry.kernel is not None
        assert entry.moments in table.moments
    stored = load_file(moments_path(home.table("tiny")))
    assert {name.partition(".")[0] for name in stored} == set(table.moments)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}


def test_what_is_served_is_what_was_judged(home: Home) -> None:
    """The code of the table, group by group and mask by mask, has the error that the table says."""
    spec = tiny_spec(*CALIBRATED)
    inference = tiny_inference(spec)
    tuning = inference.draw("tuning")
    draws = inference.draw("heldout", tuning=tuning)
    served = load_table(home.table("tiny"))
    for entry in served.table.entries:
        code = served.code(stragglers=entry.stragglers)
        evaluator, groups = draws.evaluators[entry.stragglers], draws.outputs.groups
        truth = inference.workload.model(groups.queries.flatten(0, 1)).softmax(-1).unflatten(0, (-1, 5))
        (arrivals,) = evaluator.masks.batches
        errors = []
        for group, outputs in zip(groups.queries, truth, strict=True):
            fitted = code.on(group)
            answers = inference.workload.model(fitted.encode(group)).softmax(-1)
            errors += [
                (fitted.decode(answers[arrived], arrived) - outputs).square().sum(-1).mean() for arrived in arrivals
            ]
        assert float(torch.stack(errors).mean()) == pytest.approx(entry.heldout.prob_mse.mean, rel=1e-3)


def test_a_mask_never_seen_is_decoded_and_workers_may_come_in_any_order(copied: Path) -> None:
    code = load_table(copied).policy()
    group = code.on(QUERIES)
    answers = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
    arrived = torch.tensor([9, 0, 3, 11, 5, 2, 7, 10])
    found = group.decode(answers[arrived], arrived)
    torch.testing.assert_close(group.decode(answers[arrived.flip(0)], arrived.flip(0)), found)


def test_launching_again_measures_moments_that_were_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    path, before = moments_path(home.table("tiny")), _table(home).digest
    kept = path.read_bytes()
    path.unlink()
    result = launch(tiny_spec(*CALIBRATED), home)
    assert (result.table.digest, path.read_bytes()) == (before, kept)
    assert result.forwards["tuning"] == 0


def test_the_commands_carry_both_files(home: Home, tmp_path: Path) -> None:
    runner = CliRunner()
    written = tmp_path / "deployed.json"
    done = runner.invoke(app, ["export", "tiny", "--home", str(home.root), "-o", str(written)])
    assert done.exit_code == 0, done.output
    expected = load_table(home.table("tiny")).policy().on(QUERIES)
    assert torch.equal(load_table(written).policy().on(QUERIES).encode(QUERIES), expected.encode(QUERIES))
    shown = runner.invoke(app, ["export", "tiny", "--home", str(home.root), "-f", "json"])
    assert "the table needs its moments beside it" in shown.stderr
    for suffix in (".md", ".csv", ".tex"):
        done = runner.invoke(app, ["export", "tiny", "--home", str(home.root), "-o", str(written.with_suffix(suffix))])
        assert done.exit_code == 0, done.output
        assert "calibrated" in written.with_suffix(suffix).read_text(encoding="utf-8")


def test_the_registered_model_decodes_with_its_moments(home: Home, tmp_path: Path) -> None:
    served = load_table(home.table("tiny"))
    url = f"sqlite:///{tmp_path}/mlflow.db"
    done = promote(served.table, url=url, artifacts=tmp_path / "artifacts", force=True, attachments=served.attachments)
    mlflow.set_tracking_uri(url)
    model = mlflow.pyfunc.load_model(done.now.uri)
    arrived = torch.arange(3, 12)
    answers = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    found = model.predict({"queries": QUERIES.numpy(), "answers": answers.numpy(), "arrived": arrived.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), served.policy().on(QUERIES).decode(answers, arrived))


def _missing(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _of_another_table(path: Path) -> None:
    save_file({f"{'0' * 64}.truths": torch.zeros(2, 2)}, path)


def _not_finite(path: Path) -> None:
    tensors = load_file(path)
    save_file({name: tensor * torch.nan for name, tensor in tensors.items()}, path)


def _changed(path: Path) -> None:
    tensors = load_file(path)
    save_file({name: tensor * 1.01 for name, tensor in tensors.items()}, path)


def _misshapen(path: Path) -> None:
    tensors = load_file(path)
    save_file({name: tensor[:-1].contiguous() for name, tensor in tensors.items()}, path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_missing, "calibrated decoders need `.*table.safetensors`, which cannot be read"),
        (_cut, "is no whole file of moments"),
        (_of_another_table, "holds the moments of another table"),
        (_not_finite, "are not finite"),
        (_changed, "do not match the table's digest"),
        (_misshapen, "do not fit together"),
    ],
)
def test_moments_that_are_not_the_tables_are_refused(spoil: object, message: str, copied: Path) -> None:
    assert callable(spoil)
    spoil(moments_path(copied))
    with pytest.raises(TableError, match=message) as refused:
        load_table(copied)
    assert "\n" not in str(refused.value)
    assert "export the table again, which writes all its files" in str(refused.value)


def test_a_study_without_its_moments_exports_nothing(home: Home, tmp_path: Path) -> None:
    elsewhere = tmp_path / "home"
    shutil.copytree(home.root, elsewhere)
    moments_path(Home(elsewhere).table("tiny")).unlink()
    done = CliRunner().invoke(app, ["export", "tiny", "--home", str(elsewhere), "-o", str(tmp_path / "new.json")])
    assert done.exit_code != 0
    assert not (tmp_path / "new.json").exists()


def test_replication_is_chosen_where_it_is_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a spline alone on the paper's nodes, copies of five queries on twelve workers lose next to nothing."""
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    spec = tiny_spec(
        "evaluation.replication=true", "code.stragglers=[1]", "search.objective=prob_mse", "search.trials=2"
    )
    table = launch(spec, Home(tmp_path)).table
    (entry,) = table.entries
    assert entry.kernel == REPLICATION_KERNEL
    assert entry.candidates[-1].proposal is None
    assert entry.candidates[-1].fresh == min(candidate.fresh for candidate in entry.candidates)
    assert entry.heldout.prob_mse.mean <= entry.baselines["nercc_ag"].prob_mse.mean
    code = load_table(Home(tmp_path).table("tiny")).policy().on(QUERIES)
    assert torch.equal(code.encode(QUERIES)[0], QUERIES[0])
