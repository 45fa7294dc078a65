"""Writes a study into MLflow, one call after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from nercc_tune.errors import TrackingError
from nercc_tune.records import Cell, CellHistory, StudyHistory, TrialRecord
from nercc_tune.tracking import content
from nercc_tune.tracking.content import KIND, NOTE, PARENT, UID
from nercc_tune.tracking.experiments import open_experiment
from nercc_tune.tracking.links import keep_base
from nercc_tune.tracking.note import cell_note, experiment_note
from nercc_tune.tracking.runs import FoundRun, SortedRuns, TrialKey, find_runs, sort_runs
from nercc_tune.tracking.silent import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from nercc_tune.tracking.store import fold_log, open_client, translated
from nercc_tune.tracking.views import view_tags

Status = Literal["FINISHED", "KILLED", "FAILED"]


class Projection:
    """A study in MLflow, kept level with its `StudyHistory`; every method may be called again and adds nothing twice.

    Not for several threads at a time. Two processes that project one study at the same time may each add a run that
    the other is about to add.

    Args:
        url: The tracking store.
        artifacts: Folder of the files that belong to runs; a server keeps them where it likes.

    Raises:
        TrackingError: If the store cannot be reached or read; so does every method.
    """

    def __init__(self, url: str, artifacts: Path | None) -> None:
        self._url = url
        self._artifacts = artifacts
        self._client = open_client(url, artifacts)
        self._inputs: list[DatasetInput] = []
        self._tags: dict[str, dict[str, str]] = {}
        self._experiment_id = ""
        self._parents: dict[str, str] = {}
        self._open: set[str] = set()
        self._best: dict[str, TrialRecord | None] = {}
        self._history: StudyHistory | None = None
        self._started_ms: dict[str, int] = {}
        self._trials: set[TrialKey] = set()
        self._removed = 0

    @property
    def trials(self) -> frozenset[TrialKey]:
        """The trials that the store holds, by uid and start."""
        return frozenset(self._trials)

    @property
    def cell_runs(self) -> dict[str, str]:
        """The run of each cell, by its name."""
        return dict(self._parents)

    @property
    def removed(self) -> int:
        """The number of runs that were there twice and are so no longer."""
        return self._removed

    def open_study(self, history: StudyHistory, *, resume: bool = True) -> int:
        """Find what the store holds of the study, and add the experiment and the cells' runs that it lacks.

        What an interrupted projection left half-written is completed from the records, or closed as KILLED; of runs
        that are there twice all but one are deleted. What belongs to an earlier storage of the same study file is left
        as it is (`sort_runs`), and the cell gets a new run.

        Args:
            history: The study as far as it has come.
            resume: Whether the search goes on, so that the cells' runs that were terminated are running again, and
                another worker may be about to complete a run that the history does not know.

        Returns:
            The number of runs that an interrupted projection had left running.
        """
        self._history = history
        with translated(self._url):
            self._experiment_id = self._open_experiment(history)
            self._inputs = [
                DatasetInput(Dataset(**content.dataset(history.workload)), [InputTag("mlflow.data.context", "tuning")])
            ]
            self._tags = {cell.cell.name: content.cell_tags(history, cell.cell) for cell in history.cells}
            found = list(find_runs(self._client, self._experiment_id, history.digest))
            records = {
                (trial.uid, trial.started_ms): (cell.cell, trial) for cell in history.cells for trial in cell.trials
            }
            runs = sort_runs(found, records.keys())
            for cell in history.cells:
                self._open_cell(history, cell, runs.cells.get(cell.cell.name), resume=resume)
            for key, run in runs.trials.items():
                self._settle(run, *records[key])
            self._clear(runs, resume=resume)
            self._trials = {run.key for run in found if run.is_trial}
        self.log_result(history)
        return sum(run.is_running for run in found)

    def log_trial(self, cell: Cell, record: TrialRecord) -> None:
        """Add the run of a trial, and a point to its cell's curve if it is the best so far."""
        key = (record.uid, record.started_ms)
        if key in self._trials:
            return
        parent = self._parent(cell)
        with translated(self._url):
            run = self._client.create_run(
                self._experiment_id,
                start_time=record.started_ms,
                run_name=content.trial_title(cell, record),
                tags=self._tags[cell.name] | content.trial_tags(record) | {PARENT: parent},
            )
            self._complete(run.info.run_id, record)
            self._trials.add(key)
            if self._is_best(cell, record):
                self._best[cell.name] = record
                point = content.best_point(record, at=record, error=self._opened.goal.error)
                self._write(parent, _curve(point, record.finished_ms), tags=self._progress(cell, record, parent))

    @property
    def _opened(self) -> StudyHistory:
        if self._history is None:
            raise ValueError("a study must be opened first.")
        return self._history

    def _is_best(self, cell: Cell, record: TrialRecord) -> bool:
        best = self._best[cell.name]
        if record.score is None or best is None or best.score is None:
            return record.score is not None
        rank = self._opened.goal.rank
        return rank(record.score) < rank(best.score)

    def _progress(self, cell: Cell, best: TrialRecord, run_id: str) -> dict[str, str]:
        """Return the note with a new best trial; none once the cell is judged."""
        if any(item.entry is not None for item in self._opened.cells if item.cell.name == cell.name):
            return {}
        known = self._client.get_run(run_id).data.tags.get(NOTE)
        return {NOTE: keep_base(cell_note(self._opened, cell, None, best), of=known)}

    def log_result(self, history: StudyHistory) -> None:
        """Bring the cells' runs up to date: baselines, the best so far, and what the choice is worth."""
        self._history = history
        with translated(self._url):
            for cell in history.cells:
                run_id = self._parent(cell.cell)
                run = self._client.get_run(run_id)
                metrics = content.cell_metrics(cell, history.policy)
                points = [
                    Metric(name, value, _now_ms(), 0)
                    for name, value in metrics.items()
                    if run.data.metrics.get(name) != value
                ]
                self._tags[cell.cell.name] = content.cell_tags(history, cell.cell)
                note = keep_base(cell_note(history, cell.cell, cell.entry, cell.best), of=run.data.tags.get(NOTE))
                tags = self._tags[cell.cell.name] | {NOTE: note}
                new_tags = {name: value for name, value in tags.items() if run.data.tags.get(name) != value}
                self._write(run_id, points + self._missing_curve(run_id, cell), tags=new_tags)

    def log_artifacts(self, paths: Sequence[Path], *, cell: Cell | None = None) -> None:
        """Copy files and folders to the run of a cell, or of every cell; what is there under the same name is replaced.

        Raises:
            TrackingError: Also if one of the paths does not exist.
        """
        missing = [path for path in paths if not path.exists()]
        if missing:
            raise TrackingError(f"cannot store the artifact `{missing[0]}`: there is no such file.")
        runs = self._parents.values() if cell is None else [self._parent(cell)]
        with translated(self._url):
            for run_id in runs:
                for path in paths:
                    if path.is_dir():
                        self._client.log_artifacts(run_id, str(path), artifact_path=path.name)
                    else:
                        self._client.log_artifact(run_id, str(path))

    def close(self, *, status: Status, end_ms: int | None = None) -> None:
        """Terminate the cells' runs that are not terminated, so that none is left running.

        Args:
            status: How the study ended; KILLED after an interruption.
            end_ms: When, in Unix milliseconds; now by default.
        """
        with translated(self._url):
            for name in sorted(self._open):
                ended_ms = max(end_ms or _now_ms(), self._started_ms[name])
                self._client.set_terminated(self._parents[name], status, ended_ms)
                self._open.remove(name)
        fold_log(self._url)

    def _open_experiment(self, history: StudyHistory) -> str:
        experiment_id, known = open_experiment(self._client, history.name, url=self._url, artifacts=self._artifacts)
        tags = view_tags(history.goal.error) | {NOTE: experiment_note(history, experiment_id)}
        for name, value in tags.items():
            if known.get(name) != value:
                self._client.set_experiment_tag(experiment_id, name, value)
        return experiment_id

    def _open_cell(self, history: StudyHistory, cell: CellHistory, run: FoundRun | None, *, resume: bool) -> None:
        name = cell.cell.name
        known: set[str] = set()
        if run is None:
            started_ms = min((trial.started_ms for trial in cell.trials), default=_now_ms())
            run_id = self._client.create_run(
                self._experiment_id,
                start_time=started_ms,
                run_name=content.cell_title(cell.cell),
                tags=self._tags[name] | {UID: name, KIND: "cell"},
            ).info.run_id
        else:
            run_id, started_ms = run.run_id, run.started_ms
            known = set(self._client.get_run(run_id).data.params)
            if resume and not run.is_running:
                self._client.update_run(run_id, status="RUNNING")
        if run is None or resume or run.is_running or (history.is_finished and run.status != "FINISHED"):
            self._open.add(name)
        self._parents[name] = run_id
        self._started_ms[name] = started_ms
        self._best[name] = cell.best
        params = content.cell_params(history, cell.cell)
        missing = {key: value for key, value in params.items() if key not in known}
        self._write(run_id, params=missing)
        self._client.log_inputs(run_id, self._inputs)

    def _settle(self, run: FoundRun, cell: Cell, record: TrialRecord) -> None:
        """Put a trial's run below that of its cell, and complete it where it was left half-written."""
        parent = self._parent(cell)
        if run.parent != parent:
            self._write(run.run_id, tags={PARENT: parent})
        if not run.is_complete:
            self._complete(run.run_id, record)

    def _clear(self, runs: SortedRuns, *, resume: bool) -> None:
        """Delete the doubles, and terminate as KILLED what still runs and is nobody's."""
        for run in runs.doubles:
            self._client.delete_run(run.run_id)
        self._removed = len(runs.doubles)
        for run in runs.others:
            if run.is_running and (not resume or run.run_id in runs.foreign):
                self._client.set_terminated(run.run_id, "KILLED", max(_now_ms(), run.started_ms))

    def _parent(self, cell: Cell) -> str:
        if cell.name not in self._parents:
            raise ValueError(f"`cell` must be one of the study that was opened, but got `{cell.name}`.")
        return self._parents[cell.name]

    def _complete(self, run_id: str, record: TrialRecord) -> None:
        """Log what a trial's run says and terminate it; MLflow drops the same value of the same time and step.

        The end lies before the start where the machine's clock was set back meanwhile; the run then ends at once.
        """
        ended_ms = max(record.finished_ms, record.started_ms)
        metrics = [Metric(name, value, ended_ms, 0) for name, value in content.trial_metrics(record).items()]
        metrics += [
            Metric(name, value, ended_ms, number)
            for number, figures in enumerate(content.epoch_metrics(record), start=1)
            for name, value in figures.items()
        ]
        self._write(run_id, metrics, params=content.trial_params(record))
        self._client.log_inputs(run_id, self._inputs)
        self._client.set_terminated(run_id, "FAILED" if content.is_failed(record) else "FINISHED", ended_ms)

    def _write(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write to a run: now, whatever `MLFLOW_ENABLE_ASYNC_LOGGING` says, which would lose what fails.

        MLflow's client cuts into calls what is more than one may hold, and makes none for nothing.
        """
        parts = [Param(*item) for item in (params or {}).items()], [RunTag(*item) for item in (tags or {}).items()]
        self._client.log_batch(run_id, metrics, *parts, synchronous=True)

    def _missing_curve(self, run_id: str, cell: CellHistory) -> list[Metric]:
        """Return the points of the curve that the run lacks; one that was overtaken is written anew, as of now."""
        points = content.best_so_far(cell)
        if not points:
            return []
        known = {metric.step: metric.value for metric in self._client.get_metric_history(run_id, "best_mse")}
        missing = [point for point in points if known.get(point.proposal) != point.mse]
        return [
            metric
            for point in missing
            for metric in _curve(point, _now_ms() if point.proposal in known else point.time_ms)
        ]


def _curve(point: content.BestPoint, time_ms: int) -> list[Metric]:
    return [Metric(name, value, time_ms, point.proposal) for name, value in point.metrics().items()]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
