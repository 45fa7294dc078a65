"""Trains the networks of a study's codes, each once: what was trained is kept, and what was begun is taken up again."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn
from typing_extensions import override

from nercc_tune.coding import TrainedCode
from nercc_tune.coding.networks_file import NetworksFile, Origin, pack_networks, read_networks
from nercc_tune.errors import SpecError, WorkloadError
from nercc_tune.inference import Files, OutputStore, Reports, TrainedCodes, TrainingOutcome, tensor_key
from nercc_tune.records import Training, to_json
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec
from nercc_tune.training.checkpoint import pack_checkpoint, restore_checkpoint
from nercc_tune.training.checks import check_mixers
from nercc_tune.training.fitting import Fitting, StepProgress
from nercc_tune.training.learners import make_learner
from nercc_tune.training.task import Task
from nercc_tune.workloads import MODELS, TrainingQueries, Workload

__all__ = ["CodeTrainer"]

_CHECKPOINT_EVERY_S = 15.0
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeTrainer(TrainedCodes):
    """The trained codes of a study, by how they are trained.

    Attributes:
        load: Loads the training queries; called when the first training begins.
        device: Where it trains.
        files: Where networks and checkpoints are kept, which all workers of the study share.
        store: Keeps the base model's outputs on the training queries.
        progress: Called with the steps that are done, those there are, and a text.
        timings: Get the seconds of `training`.
    """

    spec: StudySpec
    workload: Workload
    load: Callable[[], TrainingQueries]
    device: torch.device
    files: Files
    store: OutputStore
    timings: Timings
    progress: StepProgress = lambda _done, _total, _text: None
    _known: dict[Training, tuple[NetworksFile, TrainedCode]] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be trained of this workload, before training queries are loaded.

        Raises:
            SpecError: If a mixer that the study lists cannot mix queries of this shape, or a program is to be trained.
        """
        check_mixers(self.spec, self.workload.query_shape)
        if self.spec.code.trained_kind == "parity" and self.workload.weights_source == "exported program":
            raise SpecError(
                "kind = 'parity' trains networks of the model's architecture, but an exported program has none to give "
                "other weights to; name the model itself, or use kind = 'learned'."
            )

    @override
    def check_queries(self) -> None:
        self._count_queries()

    @override
    def of(self, training: Training) -> TrainedCode:
        return self._made(training)[1]

    def networks(self, training: Training) -> NetworksFile:
        """Return the networks of a training with how they came about; as `of`."""
        return self._made(training)[0]

    def _made(self, training: Training) -> tuple[NetworksFile, TrainedCode]:
        if self._kept(training) is None:
            self.train(training, lambda _epoch, _value: False)
        return self._known[training]

    @override
    def train(self, training: Training, report: Reports) -> TrainingOutcome:
        kept = self._kept(training)
        if kept is not None:
            for number, epoch in enumerate(kept.origin.epochs):
                report(number, epoch.agreement)
            return TrainingOutcome(epochs=kept.origin.epochs, is_complete=True)
        with self.timings.measure("training"), _threads(self.spec.training.threads, self.device):
            return self._train(training, report)

    def _kept(self, training: Training) -> NetworksFile | None:
        if training not in self._known:
            content = self.files.read(self._name(training))
            if content is None:
                return None
            try:
                file = read_networks(content)
                self._known[training] = file, file.code(lambda _name, _outputs: self._served_copy())
            except ValueError:  # damaged: it counts as absent, and is trained and written again
                return None
            self.files.remove(self._name(training, is_begun=True))  # of a process that was killed before it did so
        return self._known[training][0]

    def _train(self, training: Training, report: Reports) -> TrainingOutcome:
        learner = make_learner(self._task, training, trainable=self._trainable, finish=self._finish)
        fitting = Fitting(task=self._task, training=training, learner=learner, progress=self.progress)
        checkpoint = self._name(training, is_begun=True)
        content = self.files.read(checkpoint)
        if content is not None:
            restore_checkpoint(fitting, content)
        for number, epoch in enumerate(fitting.epochs[:-1]):
            report(number, epoch.agreement)
        kept_at = time.monotonic()
        while True:
            if fitting.epochs:
                gives_up = report(len(fitting.epochs) - 1, fitting.epochs[-1].agreement)
                if fitting.is_over:
                    break
                if gives_up:
                    self.files.remove(checkpoint)
                    return TrainingOutcome(epochs=tuple(fitting.epochs), is_complete=False)
            fitting.run_epoch()
            if time.monotonic() - kept_at >= _CHECKPOINT_EVERY_S and not fitting.is_over:
                self.files.write(checkpoint, pack_checkpoint(fitting))
                kept_at = time.monotonic()
        self._keep(training, fitting)
        return TrainingOutcome(epochs=tuple(fitting.epochs), is_complete=True)

    def _keep(self, training: Training, fitting: Fitting) -> None:
        origin = Origin(
            queries=self.spec.code.queries,
            workers=self.spec.code.workers,
            model=self.workload.model_name,
            outputs=self.workload.outputs,
            query_shape=self.workload.query_shape,
            training=training,
            epochs=tuple(fitting.epochs),
        )
        self.files.write(self._name(training), pack_networks(NetworksFile.of(fitting.finished(), origin)))
        self._kept(training)

    def _name(self, training: Training, *, is_begun: bool = False) -> str:
        """Return the name of a training's file: a digest of all that decides its networks."""
        code, settings = self.spec.code, self.spec.training
        key = tensor_key(
            repr(sorted(to_json(training).items())),
            f"{code.queries} {code.workers} {settings.queries} {settings.validation}",
            self.workload.fingerprint,
            self._identity,
        )
        return f"{key[:2]}/{key}.{'checkpoint' if is_begun else 'networks'}"

    @cached_property
    def _queries(self) -> TrainingQueries:
        with self.timings.measure("data"):
            return self.load()

    @property
    def _identity(self) -> str:
        identity: str = self._queries.identity
        return identity

    @cached_property
    def _task(self) -> Task:
        code, settings, found = self.spec.code, self.spec.training, self._queries
        count, validation = self._count_queries()
        order = torch.randperm(len(found.labels), generator=torch.Generator().manual_seed(settings.seed))[:count]
        base = copy.deepcopy(self.workload.model).to(self.device)
        inputs = found.queries[order].to(self.device)
        return Task(
            queries=code.queries,
            workers=code.workers,
            base=base,
            inputs=inputs,
            outputs=self._outputs(base, inputs, order),
            labels=found.labels[order],
            validation=validation,
            device=self.device,
        )

    def _count_queries(self) -> tuple[int, int]:
        """Return how many training queries there are, and how many of them validate, in whole groups."""
        code, settings, there_are = self.spec.code, self.spec.training, len(self._queries.labels)
        count = min(there_are, settings.queries or there_are)
        validation = -(-settings.validation // code.queries) * code.queries
        if not count - validation >= code.queries:
            raise WorkloadError(
                f"`training.validation` of {settings.validation} leaves no group of {code.queries} to train on of "
                f"{count} training queries; lower it, or give more training queries."
            )
        return count, validation

    def _outputs(self, base: nn.Module, inputs: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        """Return the base model's outputs on the training queries, which are kept."""
        key = tensor_key("training", self.workload.fingerprint, self._identity, order)
        outputs = self.store.get(key, device=self.device)
        if outputs is None:
            with torch.no_grad():
                outputs = torch.cat([base(part).float() for part in inputs.split(_AT_ONCE)])
            self.store.put(key, outputs)
        return outputs

    def _trainable(self) -> nn.Module:
        own = MODELS.get(self.workload.model_name)
        return self._served_copy() if own is None else own.build_trainable(self.workload.outputs)

    def _finish(self, trained: nn.Module) -> nn.Module:
        own = MODELS.get(self.workload.model_name)
        return trained if own is None else own.finish(trained, self.workload.outputs)

    def _served_copy(self) -> nn.Module:
        return copy.deepcopy(self.workload.model).cpu()


@contextmanager
def _threads(count: int, device: torch.device) -> Iterator[None]:
    """Let torch compute on so many threads of the CPU."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
