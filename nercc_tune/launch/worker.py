"""One search worker of a study that was launched elsewhere: the loop that every process, host and actor runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from optuna.storages import RDBStorage

from nercc_tune.errors import StorageError
from nercc_tune.home import Home
from nercc_tune.inference import Draws, Features, Inference
from nercc_tune.launch.events import WorkerEvents
from nercc_tune.launch.preparation import Preparation
from nercc_tune.spec import StudySpec
from nercc_tune.tuning import (
    Holder,
    Ledger,
    Patience,
    Progress,
    Proposals,
    Search,
    check_identity,
    closing_storage,
    failing_as,
    hush,
    open_cells,
    open_existing,
    stored_spec,
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is told; it travels to other processes and hosts.

    Attributes:
        storage: URL of Optuna's storage, in which the study was launched.
        device: In place of the study's; for example the second GPU.
        threads: CPU threads of torch; None leaves them as they are.
        features: As for `nercc_tune.launch.pipeline.launch`.
    """

    spec: StudySpec
    home: Home
    storage: str
    device: str | None = None
    threads: int | None = None
    features: Features | None = None
    allow_code: bool = False

    def at(self, device: str | None, threads: int | None) -> Job:
        """Return the job of one worker among several on a machine."""
        return replace(self, device=device, threads=threads)


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """What a worker did.

    Attributes:
        forwards: Forward passes over the tuning groups that were computed here.
        seconds: Of each stage of the work.
    """

    forwards: float
    seconds: Mapping[str, float]


def work(job: Job, events: WorkerEvents | None = None) -> WorkerReport:
    """Work on a study until nothing is left to do.

    Raises:
        NerccTuneError: If the study is not the one in the storage, or something of it cannot be used here.
        KeyboardInterrupt: If the worker is stopped; its proposal is given back.
    """
    events = events or WorkerEvents()
    hush()
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    spec = job.spec if job.device is None else _on_device(job.spec, job.device)
    preparation = Preparation(
        spec=spec,
        home=job.home,
        features=job.features,
        allow_code=job.allow_code,
        notify=events.stage,
        progress=events.training,
    )
    preparation.check()
    settings = spec.storage
    storage = open_existing(job.storage, heartbeat_s=settings.heartbeat_s, grace_s=settings.grace_s)
    with closing_storage(storage), failing_as(job.storage):
        return _search(job, spec, storage, preparation, events)


def _search(
    job: Job, spec: StudySpec, storage: RDBStorage, preparation: Preparation, events: WorkerEvents
) -> WorkerReport:
    settings = spec.storage
    ledger = _join(storage, spec)
    inference = preparation.load()
    tuning = inference.draw("tuning")
    workload = inference.workload_info(tuning)
    check_identity(storage, spec, workload, remedy=_OTHER_WORKLOAD)
    studies = open_cells(storage, spec, inference.masks.cells, workload)
    progress = Progress(
        proposals=Proposals(spec=spec, studies=studies),
        ledger=ledger,
        on_proposal=events.proposal,
    )
    events.ready()
    patience = Patience(url=job.storage, retry_s=settings.retry_s, notify=events.stage)
    searching(inference, tuning, progress, patience).run()
    return WorkerReport(forwards=tuning.outputs.forwards, seconds=inference.timings.seconds)


_OTHER_WORKLOAD = "this host needs those of the launch: copy them, or share the folders."


def searching(inference: Inference, tuning: Draws, progress: Progress, patience: Patience) -> Search:
    """Return the search that runs in this process."""
    return Search(
        progress=progress,
        evaluators=tuning.evaluators,
        timings=inference.timings,
        patience=patience,
        sweep_s=inference.spec.storage.heartbeat_s,
    )


def _join(storage: RDBStorage, spec: StudySpec) -> Ledger:
    """Refuse to join what was not launched, what is another study, or what this host cannot share."""
    stored_spec(storage, spec.name)
    check_identity(storage, spec, remedy="join it by its name, or with the file that was launched.")
    ledger = Ledger(storage, spec.name)
    launcher, me = ledger.launched_by(), Holder.here()
    if storage.engine.dialect.name == "sqlite" and launcher is not None and not launcher.is_on(me):
        raise StorageError(
            f"study `{spec.name}` was launched on {launcher.host} with SQLite, which serves one host: its locks do not "
            "hold across a network; launch it with `--storage postgresql+psycopg://USER@HOST/DATABASE`."
        )
    return ledger


def _on_device(spec: StudySpec, device: str) -> StudySpec:
    return spec.model_copy(update={"workload": spec.workload.model_copy(update={"device": device})})
