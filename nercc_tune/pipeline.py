"""The stages composed: from a study file to a judged, tracked and exported table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optuna.storages import BaseStorage

from nercc_tune.coding import (
    BASELINE_CODES,
    BerrutCode,
    NerccCode,
)
from nercc_tune.errors import TrackingError
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home, write_whole
from nercc_tune.inference import (
    Draws,
    Features,
    ForwardEngine,
    Inference,
    MaskSource,
    OutputStore,
    check_designs,
    check_size,
    describe_device,
    resolve_device,
    split_queries,
)
from nercc_tune.provenance import collect_provenance
from nercc_tune.records import StudyHistory, TrialRecord
from nercc_tune.reporting.figures import CodedQueries
from nercc_tune.reporting.report import write_report
from nercc_tune.selection import Judge, PolicyChoice, search_forwards
from nercc_tune.spec import StudySpec
from nercc_tune.timings import Timings
from nercc_tune.tracking.background import BackgroundTracker
from nercc_tune.tracking.reachability import check_tracking
from nercc_tune.tuning import (
    CellStudy,
    Search,
    check_identity,
    delete_study,
    is_absent,
    open_cells,
    open_storage,
    read_history,
    to_spec_json,
)
from nercc_tune.workloads import load_workload

_TRACKING_FLUSH_S = 300.0
_INTERRUPTED_FLUSH_S = 30.0


@dataclass(frozen=True, kw_only=True)
class LaunchEvents:
    """What a launch reports while it runs.

    Attributes:
        stage: Called with a line when a stage begins.
        trial: Called with each finished trial.
        proposal: Called with the number of proposals done and the most there may be.
    """

    stage: Callable[[str], None] = lambda _: None
    trial: Callable[[TrialRecord], None] = lambda _: None
    proposal: Callable[[int, int], None] = lambda _done, _budget: None


@dataclass(frozen=True, kw_only=True, eq=False)
class LaunchResult:
    """What a launch leaves.

    Attributes:
        forwards: Forward passes over the groups of each part that this launch computed.
        folder: Where the table, the figures and the report lie.
        tracking_url: Of the MLflow store.
        tracking_error: Why MLflow may lack something, else None.
    """

    history: StudyHistory
    table: TunedTable
    timings: Timings
    forwards: dict[str, float]
    folder: Path
    tracking_url: str
    tracking_error: TrackingError | None


def launch(
    spec: StudySpec,
    home: Home,
    *,
    data_dir: Path | None = None,
    fresh: bool = False,
    features: Features | None = None,
    events: LaunchEvents | None = None,
) -> LaunchResult:
    """Search the codes of a study, judge the choice on held-out draws, and write the table.

    What an earlier launch of the same study left is kept and completed. Nothing is written before the study file, the
    workload and both stores have been checked.

    Args:
        spec: The study.
        home: Where everything is kept.
        data_dir: The data sets; by default `data` in the home.
        fresh: Forget earlier results of this study.
        features: Takes the queries [K, …] of a group to features [K, d] by whose distances queries are ordered and
            spaced; by default the queries themselves, pooled.
        events: What to call while it runs.

    Raises:
        NerccTuneError: If something of the study cannot be used; the message is one line and says how to mend it.
        KeyboardInterrupt: If the user stops it; launching again goes on from there.
    """
    events = events or LaunchEvents()
    home.check_writable()
    check_designs(spec)
    masks = MaskSource.of(spec, data_dir or home.data)
    device = resolve_device(spec.workload.device)
    check_tracking(tracking_url(spec, home))
    _check_before_writing(spec, home, fresh=fresh)
    events.stage(f"loading {spec.workload.model} on {spec.workload.data}")
    timings = Timings()
    with timings.measure("data"):
        workload = load_workload(
            spec.workload,
            home=home.root,
            data_dir=data_dir or home.data,
            notify=events.stage,
            check_size=partial(check_size, spec),
        )
    split = split_queries(spec, len(workload.data))
    engine = ForwardEngine(workload.model, device=device, precision=spec.workload.precision, chunk=spec.workload.chunk)
    store = OutputStore(home.outputs if spec.cache.disk else None, memory_mb=spec.cache.memory_mb)
    inference = Inference(
        spec=spec,
        workload=workload,
        split=split,
        masks=masks,
        engine=engine,
        store=store,
        timings=timings,
        features=features,
    )
    with home.locked(spec.name):
        run = _Run(inference=inference, home=home, events=events, device=describe_device(device))
        return run.launch(fresh=fresh)


def storage_url(spec: StudySpec, home: Home) -> str:
    """Return the URL of the study's Optuna storage."""
    return spec.storage.url or home.storage_url


def tracking_url(spec: StudySpec, home: Home) -> str:
    """Return the URL of the study's MLflow tracking store."""
    return spec.tracking.url or home.tracking_url


@dataclass(kw_only=True, eq=False)
class _Run:
    """One launch, after everything was checked."""

    inference: Inference
    home: Home
    events: LaunchEvents
    device: str

    def launch(self, *, fresh: bool) -> LaunchResult:
        spec, timings = self.inference.spec, self.inference.timings
        self.events.stage("running the plain queries")
        tuning = self.inference.draw("tuning")
        self.events.stage(f"uncoded accuracy {tuning.uncoded_accuracy:.1%} on the tuning queries")
        with timings.measure("storage"):
            storage = open_storage(storage_url(spec, self.home))
            if fresh:
                delete_study(storage, spec.name)
            studies = open_cells(storage, spec, self.inference.masks.cells, self.inference.workload_info(tuning))
        tracker = BackgroundTracker(tracking_url(spec, self.home), self.home.artifacts)
        tracker.start(read_history(storage, spec.name))
        try:
            result = self._search_and_judge(tuning, storage, studies, tracker)
        except BaseException:
            tracker.close("KILLED", timeout_s=_INTERRUPTED_FLUSH_S)
            raise
        return result

    def _search_and_judge(
        self, tuning: Draws, storage: BaseStorage, studies: dict[int, CellStudy], tracker: BackgroundTracker
    ) -> LaunchResult:
        spec, timings = self.inference.spec, self.inference.timings
        self._measure_baselines(tuning, studies)
        search = Search(
            spec=spec,
            studies=studies,
            evaluators=tuning.evaluators,
            timings=timings,
            on_trial=lambda study, record: self._on_trial(study, record, tracker),
            on_proposal=self.events.proposal,
        )
        self.events.stage("searching")
        proposals = search.run()
        if proposals < search.budget:
            patience = spec.search.patience
            self.events.stage(f"stopped after {proposals} proposals: the last {patience} improved nothing")
        history = read_history(storage, spec.name)
        judged = {"validation": 0.0, "heldout": 0.0}
        if not history.is_finished or search.added:
            self.events.stage("judging on fresh and held-out queries")
            judged = self._judge(history, tuning, studies)
            history = read_history(storage, spec.name)
        table = TunedTable.from_history(history)
        self.events.stage("writing the table and the figures")
        folder = self._write(history, table)
        self.events.stage("finishing the tracking")
        tracker.log_result(history)
        tracker.log_artifacts(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))
        with timings.measure("tracking"):
            tracker.close("FINISHED", timeout_s=_TRACKING_FLUSH_S)
        return LaunchResult(
            history=history,
            table=table,
            timings=timings,
            forwards={"tuning": tuning.outputs.forwards, **judged},
            folder=folder,
            tracking_url=tracking_url(spec, self.home),
            tracking_error=tracker.error,
        )

    def _on_trial(self, study: CellStudy, record: TrialRecord, tracker: BackgroundTracker) -> None:
        tracker.log_trial(study.cell, record)
        self.events.trial(record)

    def _measure_baselines(self, tuning: Draws, studies: dict[int, CellStudy]) -> None:
        for stragglers, study in studies.items():
            if set(study.baselines()) != set(BASELINE_CODES):
                evaluator = tuning.evaluators[stragglers]
                study.set_baselines({name: evaluator.baseline_metrics(name).score() for name in BASELINE_CODES})

    def _judge(self, history: StudyHistory, tuning: Draws, studies: dict[int, CellStudy]) -> dict[str, float]:
        """Judge all cells and the policy, record the result, and return the forward passes of each part."""
        spec = self.inference.spec
        judge = Judge(
            spec=spec,
            tuning=tuning,
            validation=self.inference.draw("validation"),
            heldout=self.inference.draw("heldout"),
        )
        entries = judge.entries(history, forwards=search_forwards(history))
        policy = PolicyChoice(judge=judge).policy(history)
        provenance = collect_provenance(
            device=self.device, precision=spec.workload.precision, seconds=self.inference.timings.seconds
        )
        for stragglers, study in studies.items():
            study.set_result(entries[stragglers], policy, provenance)
        return {"validation": judge.validation.outputs.forwards, "heldout": judge.heldout.outputs.forwards}

    def _write(self, history: StudyHistory, table: TunedTable) -> Path:
        """Write table, study, figures and report into the study's folder."""
        folder = self.home.study(history.name)
        spec_json = json.dumps(to_spec_json(self.inference.spec), indent=2) + "\n"
        write_whole(folder / "study.json", spec_json.encode())
        write_whole(folder / "table.json", table.to_json().encode())
        with self.inference.timings.measure("figures"):
            write_report(history, folder, coded=self._coded_queries(table))
        return folder

    def _coded_queries(self, table: TunedTable) -> CodedQueries:
        """Return one held-out group, and what BACC and the policy's encoder send for it."""
        inference, policy = self.inference, table.policy
        queries, _ = inference.workload.data.load(inference.split.heldout[0])
        paper, tuned = inference.spec.reference, policy.design
        coded = {
            "BACC": inference.encode(queries, BerrutCode, paper),
            "NeRCC": inference.encode(queries, NerccCode.encoder(policy.lambda_enc), tuned),
        }
        return queries.numpy(), {name: values.numpy() for name, values in coded.items()}


def _check_before_writing(spec: StudySpec, home: Home, *, fresh: bool) -> None:
    """Refuse a storage that cannot be used or, unless it starts over, a study whose name stands for another one there.

    No storage is made to look into.
    """
    url = storage_url(spec, home)
    if is_absent(url):
        return
    storage = open_storage(url)
    if not fresh:
        check_identity(storage, spec)
