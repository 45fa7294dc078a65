"""The stages composed: from a study file to a judged, tracked and exported table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from optuna.storages import BaseStorage

from nercc_tune.coding import BASELINE_CODES
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home, write_whole
from nercc_tune.home.provenance import collect_provenance
from nercc_tune.home.stores import storage_url, tracking_url
from nercc_tune.inference import Draws, Features, Inference, describe_device
from nercc_tune.launch.checks import check_launch
from nercc_tune.launch.crews import Crew, make_crew, search_with
from nercc_tune.launch.events import LaunchEvents
from nercc_tune.launch.kept_attachments import has_attachments, keep_attachments
from nercc_tune.launch.preparation import Preparation
from nercc_tune.launch.report_writer import ReportWriter
from nercc_tune.launch.result import LaunchResult
from nercc_tune.launch.worker import Job, searching
from nercc_tune.records import StudyHistory, TrialRecord
from nercc_tune.selection import Judge, PolicyChoice, search_forwards
from nercc_tune.spec import StudySpec
from nercc_tune.tracking.background import BackgroundTracker
from nercc_tune.tracking.system_metrics import recorded_system
from nercc_tune.tuning import (
    CellStudy,
    Ledger,
    Patience,
    Progress,
    Proposals,
    closing_storage,
    delete_study,
    failing_as,
    open_cells,
    open_storage,
    read_history,
    to_spec_json,
)

__all__ = ["LaunchEvents", "LaunchResult", "launch", "load", "run", "storage_url", "tracking_url"]

_T = TypeVar("_T")

_TRACKING_FLUSH_S = 300.0
_INTERRUPTED_FLUSH_S = 10.0


def launch(
    spec: StudySpec,
    home: Home,
    *,
    fresh: bool = False,
    features: Features | None = None,
    allow_code: bool = False,
    events: LaunchEvents | None = None,
) -> LaunchResult:
    """Search the codes of a study, judge the choice on held-out draws, and write the table.

    What an earlier launch of the same study left is kept and completed. Nothing is written before the study file, the
    workload and both stores have been checked.

    Args:
        spec: The study.
        home: Where everything is kept.
        fresh: Forget earlier results of this study.
        features: Takes the queries [K, …] of a group to features [K, d] by whose distances queries are ordered and
            spaced; by default the queries themselves, pooled.
        allow_code: Whether the study file may name Python code, which is then imported and run.
        events: What to call while it runs.

    Raises:
        NerccTuneError: If something of the study cannot be used; the message is one line and says how to mend it.
        KeyboardInterrupt: If the user stops it; launching again goes on from there.
    """
    events = events or LaunchEvents()
    preparation = Preparation(
        spec=spec,
        home=home,
        features=features,
        allow_code=allow_code,
        notify=events.stage,
        notice=events.notice,
        progress=events.training,
    )
    with preparation.timings.measure("checks"):
        check_launch(preparation, fresh=fresh)
    return run(preparation, load(preparation, events), events, fresh=fresh)


def load(preparation: Preparation, events: LaunchEvents) -> Inference:
    """Load the workload, and look once at every query that the study takes.

    Raises:
        NerccTuneError: If the model or the data cannot be used.
    """
    inference = preparation.load()
    for note in inference.check_queries():
        events.notice(note)
    return inference


def run(preparation: Preparation, inference: Inference, events: LaunchEvents, *, fresh: bool) -> LaunchResult:
    """Search, judge and write a study that was checked and whose workload is loaded; as `launch`."""
    spec, home = preparation.spec, preparation.home
    with home.locked(spec.name), failing_as(storage_url(spec, home)):
        return _Run(preparation=preparation, inference=inference, events=events).launch(fresh=fresh)


@dataclass(kw_only=True, eq=False)
class _Run:
    """One launch, after everything was checked."""

    preparation: Preparation
    inference: Inference
    events: LaunchEvents
    _report: ReportWriter = field(default_factory=ReportWriter)

    @property
    def home(self) -> Home:
        return self.preparation.home

    @property
    def patience(self) -> Patience:
        spec = self.inference.spec
        return Patience(url=storage_url(spec, self.home), retry_s=spec.storage.retry_s, notify=self.events.stage)

    def _stored(self, action: Callable[[], _T]) -> _T:
        """Return what an action returns that needs the storage."""
        with self.inference.timings.measure("storage"):
            return self.patience(action)

    def launch(self, *, fresh: bool) -> LaunchResult:
        spec, timings = self.inference.spec, self.inference.timings
        self.events.stage("running the plain queries")
        tuning = self.inference.draw("tuning")
        self.events.stage(f"uncoded accuracy {tuning.uncoded_accuracy:.1%} on the tuning queries")
        with timings.measure("storage"):
            settings = spec.storage
            storage = open_storage(self.patience.url, heartbeat_s=settings.heartbeat_s, grace_s=settings.grace_s)
            if fresh:
                with Ledger(storage, spec.name).conducted():
                    pass  # nobody else launches it
                delete_study(storage, spec.name)
            ledger = Ledger(storage, spec.name)
        with closing_storage(storage), ledger.conducted():
            return self._conduct(tuning, storage, ledger)

    def _conduct(self, tuning: Draws, storage: BaseStorage, ledger: Ledger) -> LaunchResult:
        spec = self.inference.spec
        workload = self.inference.workload_info(tuning)
        if workload.warning is not None:
            self.events.notice(f"warning: {workload.warning}")
        with self.inference.timings.measure("storage"):
            studies = open_cells(storage, spec, self.inference.masks.cells, workload)
        self._report.start()
        tracker = BackgroundTracker(tracking_url(spec, self.home), self.home.artifacts, notify=self.events.notice)
        progress = Progress(
            proposals=Proposals(spec=spec, studies=studies),
            ledger=ledger,
            on_trial=lambda study, record: self._on_trial(study, record, tracker),
            on_proposal=self.events.proposal,
        )
        with self.inference.timings.measure("storage"):
            progress.refresh()
            history = read_history(storage, spec.name)
        self.events.begun(history)
        tracker.start(history)  # after the refresh: what comes between is told twice, not lost
        try:
            with recorded_system(tracker, spec, notify=self.events.stage):
                return self._search_and_judge(tuning, storage, progress, tracker)
        except BaseException:
            tracker.close("FINISHED" if history.is_judged else "KILLED", timeout_s=_INTERRUPTED_FLUSH_S)
            raise

    def _search_and_judge(
        self, tuning: Draws, storage: BaseStorage, progress: Progress, tracker: BackgroundTracker
    ) -> LaunchResult:
        spec, timings, studies = self.inference.spec, self.inference.timings, progress.proposals.studies
        self._measure_baselines(tuning, studies)
        before = self._stored(lambda: read_history(storage, spec.name))
        self._search(tuning, progress)
        history = self._stored(lambda: read_history(storage, spec.name))
        others = search_forwards(history) - search_forwards(before) if self._has_crew else 0.0
        judged = {"validation": 0.0, "heldout": 0.0}
        if not (history.is_judged and has_attachments(self.home, history)):
            self._stored(progress.ledger.keep_conducting)
            self.events.stage("judging on fresh and held-out queries")
            with timings.measure("judging"):
                judged = self._judge(history, tuning, studies)
            history = self._stored(lambda: read_history(storage, spec.name))
        table = TunedTable.from_history(history)
        self.events.stage("writing the table and the figures")
        folder = self._write(history, table)
        self.events.stage("finishing the tracking")
        with timings.measure("tracking"):
            tracker.log_result(history)
            tracker.log_artifacts(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))
            tracker.close("FINISHED", timeout_s=_TRACKING_FLUSH_S)
        return LaunchResult(
            history=history,
            table=table,
            timings=timings,
            forwards={"tuning": tuning.outputs.forwards + others, **judged},
            folder=folder,
            tracking_error=tracker.error,
        )

    def _search(self, tuning: Draws, progress: Progress) -> None:
        """Search in this process, or let a crew do it, until all is done."""
        spec = self.inference.spec
        crew = None if self._stored(lambda: progress.is_over) else self._crew()
        if crew is None:
            self.events.stage("searching")
            searching(self.inference, tuning, progress, self.patience).run()
        else:
            self.events.stage(f"searching with {spec.resources.workers} workers")
            with self.inference.timings.measure("crew"):
                search_with(crew, progress, self.patience)
        if progress.done < progress.proposals.budget:
            patience = spec.search.patience
            self.events.stage(f"stopped after {progress.done} proposals: the last {patience} improved nothing")
        for study in progress.proposals.studies.values():
            self._stored(study.close)

    @property
    def _has_crew(self) -> bool:
        resources = self.inference.spec.resources
        return resources.workers > 1 or resources.ray is not None

    def _crew(self) -> Crew | None:
        """Return the crew that the study asks for; None where this process is the only worker."""
        spec, preparation = self.inference.spec, self.preparation
        if not self._has_crew:
            return None
        job = Job(
            spec=spec,
            home=self.home,
            storage=self.patience.url,
            features=preparation.features,
            allow_code=preparation.allow_code,
        )
        return make_crew(job, notify=self.events.stage)

    def _on_trial(self, study: CellStudy, record: TrialRecord, tracker: BackgroundTracker) -> None:
        tracker.log_trial(study.cell, record)
        self.events.trial(record)

    def _measure_baselines(self, tuning: Draws, studies: Mapping[int, CellStudy]) -> None:
        for stragglers, study in studies.items():
            if set(self._stored(study.baselines)) != set(BASELINE_CODES):
                evaluator = tuning.evaluators[stragglers]
                scores = {name: evaluator.baseline_metrics(name).score() for name in BASELINE_CODES}
                self._stored(partial(study.set_baselines, scores))

    def _judge(self, history: StudyHistory, tuning: Draws, studies: Mapping[int, CellStudy]) -> dict[str, float]:
        """Judge all cells and the policy, record the result, and return the forward passes of each part."""
        spec = self.inference.spec
        judge = Judge(
            spec=spec,
            tuning=tuning,
            validation=self.inference.draw("validation", tuning=tuning),
            heldout=self.inference.draw("heldout", tuning=tuning),
        )
        entries = judge.entries(history, forwards=search_forwards(history))
        policy = PolicyChoice(judge=judge).policy(history)
        keep_attachments(self.home, judge, self.inference, [*entries.values(), policy])
        provenance = collect_provenance(
            device=describe_device(self.inference.engine.device),
            precision=spec.workload.precision,
            seconds=self.inference.timings.seconds,
        )
        for stragglers, study in studies.items():
            self._stored(partial(study.set_result, entries[stragglers], policy, provenance))
        return {"validation": judge.validation.outputs.forwards, "heldout": judge.heldout.outputs.forwards}

    def _write(self, history: StudyHistory, table: TunedTable) -> Path:
        """Write table, study, figures and report into the study's folder."""
        folder = self.home.study(history.name)
        spec_json = json.dumps(to_spec_json(self.inference.spec), indent=2) + "\n"
        write_whole(folder / "study.json", spec_json.encode())
        write_whole(self.home.table(history.name), table.to_json().encode())
        with self.inference.timings.measure("figures"):
            self._report.write(history, folder, inference=self.inference, policy=table.policy)
        return folder
