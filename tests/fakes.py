"""A real but tiny workload, study, search and launch: a whole search takes a fraction of a second."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from shutil import copy, copytree, rmtree

import pytest
import torch
from optuna.storages import RDBStorage
from torch import Tensor, nn

from nercc_tune.coding import BASELINE_CODES
from nercc_tune.home import Home
from nercc_tune.inference import (
    CellEvaluator,
    Draws,
    ForwardEngine,
    Inference,
    MaskSource,
    OutputStore,
    split_queries,
    stale_networks,
)
from nercc_tune.launch.pipeline import LaunchResult, launch
from nercc_tune.records import Cell, StudyHistory, TrialRecord, WorkloadInfo
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec, WorkloadSettings, parse_study
from nercc_tune.straggling import Part, WorkerGamma
from nercc_tune.tracking.projection import Projection
from nercc_tune.tuning import (
    CellStudy,
    Ledger,
    Patience,
    Progress,
    Proposals,
    Search,
    closing_storage,
    open_cells,
    open_storage,
    read_history,
)
from nercc_tune.workloads import Workload
from nercc_tune.workloads.queries import ArrayQueries

QUERIES, AXES, CLASSES = 200, 6, 4

TINY = """
name = "tiny"
[workload]
model = "lenet5"
data = "digits"
device = "cpu"
[code]
queries = 5
workers = 12
stragglers = [2, 4]
[search]
trials = 6
lambda_enc = { low = 1e-8, high = 1.0 }
lambda_dec = { low = 1e-8, high = 1.0 }
[evaluation]
replication = false
tuning_groups = 3
tuning_masks = 4
validation_groups = 2
validation_masks = 3
heldout_groups = 4
heldout_masks = 5
bootstrap = 100
"""


class FailsOnSmooth(nn.Module):
    """Answers with NaN when the coded queries are much shorter than real ones, as strong smoothing makes them."""

    def __init__(self, inner: nn.Module, *, shortest: float) -> None:
        super().__init__()
        self.inner = inner
        self.shortest = shortest

    def forward(self, queries: Tensor) -> Tensor:
        answers: Tensor = self.inner(queries)
        return answers if float(queries.norm(dim=-1).mean()) > self.shortest else answers * torch.nan


def tiny_model(seed: int = 0) -> nn.Module:
    """Make a model that is rough enough for the best pair to lie inside the ranges."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, last = nn.Linear(AXES, 8), nn.Linear(8, CLASSES)
    first.weight.data *= 8
    last.weight.data *= 10
    return nn.Sequential(first, nn.Tanh(), last).eval().requires_grad_(False)


def tiny_workload(model: nn.Module | None = None, *, fingerprint: str = "tiny") -> Workload:
    """Serve vectors of length 2; one label in five is not what the model says."""
    plain = tiny_model()
    generator = torch.Generator().manual_seed(1)
    queries = nn.functional.normalize(torch.randn(QUERIES, AXES, generator=generator), dim=-1) * 2
    labels = plain(queries).argmax(-1)
    labels = torch.where(torch.arange(QUERIES) % 5 == 0, (labels + 1) % CLASSES, labels)
    return Workload(
        model_name="tiny",
        data_name="vectors",
        model=model or plain,
        data=ArrayQueries(name="vectors", queries=queries, labels=labels),
        query_shape=(AXES,),
        outputs=CLASSES,
        fingerprint=fingerprint,
        weights_source="random",
    )


def tiny_spec(*overrides: str) -> StudySpec:
    return parse_study(TINY, overrides=overrides)


def tiny_cells(spec: StudySpec, *, data_dir: Path | None = None) -> tuple[Cell, ...]:
    return MaskSource.of(spec, data_dir).cells


def tiny_inference(spec: StudySpec, *, workload: Workload | None = None, data_dir: Path | None = None) -> Inference:
    """Prepare a study's draws, with nothing kept on disk."""
    workload = workload or tiny_workload()
    return Inference(
        spec=spec,
        workload=workload,
        split=split_queries(spec, len(workload.data)),
        masks=MaskSource.of(spec, data_dir),
        engine=ForwardEngine(workload.model, device=torch.device("cpu"), networks=stale_networks(spec, workload.model)),
        store=OutputStore(None, memory_mb=64),
        timings=Timings(),
    )


def write_trace(path: Path, *, workers: int, iterations: int) -> None:
    """Write latencies of several workers as a CSV file."""
    law = WorkerGamma(workers=workers, shape=2.0, scale=1.0, spread=0.3, correlation=0.2)
    rows = [",".join(repr(float(latency)) for latency in row) for row in law.sample(iterations, seed=0)]
    header = ",".join(f"latency_worker_{number}" for number in range(workers))
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def draw(
    spec: StudySpec,
    part: Part = "tuning",
    *,
    workload: Workload | None = None,
    data_dir: Path | None = None,
    tuning: Draws | None = None,
) -> Draws:
    """Draw one part of a study's groups and masks."""
    return tiny_inference(spec, workload=workload, data_dir=data_dir).draw(part, tuning=tuning)


def info(workload: Workload) -> WorkloadInfo:
    return WorkloadInfo(
        model=workload.model_name,
        data=workload.data_name,
        fingerprint=workload.fingerprint,
        weights_source=workload.weights_source,
        query_shape=workload.query_shape,
        outputs=workload.outputs,
        uncoded_accuracy=0.8,
    )


@dataclass(kw_only=True)
class Bench:
    """A study on a storage of its own: search it, stop it, look at it."""

    spec: StudySpec
    storage: RDBStorage
    tuning: Draws
    studies: dict[int, CellStudy]
    told: list[TrialRecord] = field(default_factory=list)
    proposals: list[tuple[int, int]] = field(default_factory=list)

    def search(self, evaluators: Mapping[int, CellEvaluator] | None = None) -> Search:
        progress = Progress(
            proposals=Proposals(spec=self.spec, studies=self.studies),
            ledger=Ledger(self.storage, self.spec.name),
            on_trial=lambda _study, record: self.told.append(record),
            on_proposal=lambda done, budget: self.proposals.append((done, budget)),
        )
        return Search(
            progress=progress,
            evaluators=evaluators or self.tuning.evaluators,
            timings=Timings(),
            patience=Patience(url="", retry_s=1.0),
            sweep_s=1.0,
        )

    def measure_baselines(self) -> None:
        for stragglers, study in self.studies.items():
            evaluator = self.tuning.evaluators[stragglers]
            study.set_baselines({name: evaluator.baseline_metrics(name).score() for name in BASELINE_CODES})

    def history(self) -> StudyHistory:
        return read_history(self.storage, self.spec.name)


def bench(spec: StudySpec, folder: Path, *, workload: Workload | None = None, data_dir: Path | None = None) -> Bench:
    """Open (or open again) a study in a folder, as a launch would: nothing is shared but the files."""
    workload = workload or tiny_workload()
    storage = open_storage(sqlite_url(folder))
    return Bench(
        spec=spec,
        storage=storage,
        tuning=draw(spec, workload=workload, data_dir=data_dir),
        studies=open_cells(storage, spec, tiny_cells(spec, data_dir=data_dir), info(workload)),
    )


def timeless(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the records without times, and without Optuna's numbers, which interruptions use up."""
    return [replace(record, number=0, started_ms=0, finished_ms=0) for record in records]


def sqlite_url(folder: Path) -> str:
    """Return the URL of a folder's Optuna storage, whose tables are copied in since making them takes a second."""
    database = folder / "optuna.db"
    if not database.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = copy(_migrated() / "optuna.db", folder / f"{database.name}.{os.getpid()}")
        with suppress(FileExistsError):  # another process was first, and may be writing already
            os.link(aside, database)
        Path(aside).unlink()
    return f"sqlite:///{database}"


def tiny_home(folder: Path) -> Home:
    """Return a home with empty stores, whose tables are copied in since making them takes seconds."""
    sqlite_url(folder)
    copy(_migrated() / "mlflow.db", folder / "mlflow.db")
    return Home(folder)


def loader(workload: Workload) -> Callable[..., Workload]:
    """Return what stands in for `load_workload` of a preparation: the one thing of a launch that is not real."""

    def load_workload(
        _settings: WorkloadSettings,
        *,
        home: Path,
        data_dir: Path,
        notify: Callable[[str], None],
        check_size: Callable[[int], None],
        allow_code: bool,
    ) -> Workload:
        assert data_dir.is_relative_to(home)
        assert not allow_code
        notify("loading")
        check_size(len(workload.data))
        return workload

    return load_workload


def finished_home(folder: Path) -> Home:
    """Return a home in which the tiny study was launched to its end: a copy of one that all tests share."""
    copytree(_finished()[0], folder, dirs_exist_ok=True)
    return Home(folder)


def finished_result() -> LaunchResult:
    """Return what that launch gave."""
    return _finished()[1]


@cache
def _finished() -> tuple[Path, LaunchResult]:
    home = tiny_home(scratch() / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home.root)  # outside a checkout, whose commit is a part of the table
        patch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
        return home.root, launch(tiny_spec(), home)


def scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nercc-tune-tests-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    return folder


@cache
def _migrated() -> Path:
    folder = scratch()
    with closing_storage(open_storage(f"sqlite:///{folder}/optuna.db")):
        pass
    Projection(f"sqlite:///{folder}/mlflow.db", folder / "mlartifacts").close(status="FINISHED")
    return folder
