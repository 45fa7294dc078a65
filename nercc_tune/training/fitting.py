"""The loop that trains the networks of a code, epoch by epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from nercc_tune.coding import TrainedCode
from nercc_tune.coding.network_weights import Weights, weights_of, weights_under
from nercc_tune.errors import OutputError
from nercc_tune.records import Epoch, Training
from nercc_tune.training.learners import Learner
from nercc_tune.training.shifting import shifted
from nercc_tune.training.task import Task

__all__ = ["Fitting", "measure_reconstruction"]

StepProgress = Callable[[int, int, str], None]

_SPREAD = 1_000_003  # keeps the draws of epochs of neighbouring seeds apart
_SHOWN_EVERY_S = 0.2
_VALIDATED_AT_ONCE = 512


@dataclass(kw_only=True, eq=False)
class Fitting:
    """A training that can be stopped after any epoch and taken up again, to the same end.

    Groups and shifts are drawn by the seed and the number of the epoch, so that no state of a generator has to be kept.

    Attributes:
        epochs: Those that are done.
        best: The weights after the epoch whose validation accuracy was the highest, the latest of equals.
        progress: Called with the steps that are done, those there are, and a text.
    """

    task: Task
    training: Training
    learner: Learner
    progress: StepProgress
    epochs: list[Epoch] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    optimizer: torch.optim.Adam = field(init=False)
    _shown: float = field(default=-math.inf)

    def __post_init__(self) -> None:
        if self._is_mixed:  # the layout that bfloat16 is fast in
            for network in self.learner.trained.values():
                network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            [value for network in self.learner.trained.values() for value in network.parameters()],
            lr=self.training.learning_rate,
            weight_decay=self.training.weight_decay,
        )

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or too many of them brought nothing."""
        agreements, patience = [epoch.agreement for epoch in self.epochs], self.training.patience
        since_best = len(agreements) - agreements.index(max(agreements)) - 1 if agreements else 0
        return len(self.epochs) >= self.training.epochs or 0 < patience <= since_best

    @property
    def _best_epoch(self) -> int:
        return max(range(len(self.epochs)), key=lambda at: (self.epochs[at].agreement, at), default=-1)

    def weights(self) -> Weights:
        """Return the weights as they are, by name; they are not copied."""
        return weights_of(self.learner.trained)

    def restore(self, weights: Weights) -> None:
        """Give the networks weights that were kept."""
        for name, network in self.learner.trained.items():
            network.load_state_dict(weights_under(weights, name))

    def run_epoch(self) -> None:
        """Train for one epoch, and validate.

        Raises:
            OutputError: If the loss is not finite.
        """
        number = len(self.epochs)
        loss = self._train(number)
        if not math.isfinite(loss):
            raise OutputError(
                f"the training diverged in epoch {number + 1}: its loss is {loss}; lower the learning rate."
            )
        agreement, accuracy = measure_reconstruction(self.task, self.learner.code())
        self.epochs.append(Epoch(loss=loss, agreement=agreement, accuracy=accuracy))
        if self._best_epoch == number:
            self.best = {name: value.detach().clone() for name, value in self.weights().items()}

    def finished(self) -> TrainedCode:
        """Return the code with the best weights, in the form that is served."""
        self.restore(self.best)
        return self.learner.finished()

    def _train(self, number: int) -> float:
        """Make the steps of an epoch, and return the mean loss."""
        groups = self.task.groups(seed=self.training.seed * _SPREAD + number)
        generator = torch.Generator().manual_seed(self.training.seed * _SPREAD + number)
        batches = groups.split(self.training.batch)
        if len(batches) > 1 and len(batches[-1]) < self.training.batch:
            batches = batches[:-1]
        losses: list[Tensor] = []
        with _in_training(list(self.learner.trained.values())):
            for step, batch in enumerate(batches):
                self._set_rate((number + step / len(batches)) / self.training.epochs)
                losses.append(self._step(batch, generator))
                self._show(number * len(batches) + step + 1, len(batches), losses)
        return float(torch.stack(losses).mean())

    def _step(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        task = self.task
        inputs = task.inputs[batch.to(task.inputs.device)].to(task.device)
        labels = task.labels[batch].to(task.device)
        if self.training.augmentation == "none":
            outputs = task.outputs[batch.to(task.outputs.device)].to(task.device)
        else:
            inputs = shifted(inputs, generator, is_flipped=self.training.augmentation == "shift-flip")
            with torch.no_grad(), self._precision():
                outputs = task.base(inputs.flatten(0, 1)).float().unflatten(0, batch.shape)
        with self._precision():
            loss = self.learner.loss(inputs, outputs, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.task.device.type, torch.bfloat16, enabled=self._is_mixed)

    @property
    def _is_mixed(self) -> bool:
        return self.training.precision == "bf16"

    def _set_rate(self, share: float) -> None:
        """Set the learning rate after a share of all steps."""
        fall = 0.5 * (1 + math.cos(math.pi * share)) if self.training.schedule == "cosine" else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate * fall

    def _show(self, done: int, steps: int, losses: Sequence[Tensor]) -> None:
        now = time.monotonic()
        if now - self._shown >= _SHOWN_EVERY_S:
            self._shown = now
            number = len(self.epochs)
            so_far = f", validation accuracy {self.epochs[-1].agreement:.2%}" if self.epochs else ""
            text = f"epoch {number + 1}/{self.training.epochs}, loss {losses[-1].item():.3g}{so_far}"
            self.progress(done, steps * self.training.epochs, text)


def measure_reconstruction(task: Task, code: TrainedCode) -> tuple[float, float]:
    """Return the shares of reconstructed validation queries with the base model's class, and with their label.

    A query is reconstructed where its own answer is among the R that are lost; every such loss counts alike.
    """
    agreeing, right, count = 0, 0, 0
    with _in_evaluation(code), torch.no_grad():
        for groups in task.validation_groups.split(_VALIDATED_AT_ONCE):
            inputs = task.inputs[groups.to(task.inputs.device)].to(task.device)
            outputs = task.outputs[groups.to(task.outputs.device)].to(task.device)
            labels, classes = task.labels[groups].to(task.device), outputs.argmax(-1)
            answers = torch.cat([outputs, code.parity_answers(inputs, task.base)], 1)
            for arrived in task.losses_of_answers:
                present = torch.tensor(arrived)
                lost = torch.tensor([query for query in range(task.queries) if query not in arrived])
                found = code.reconstruct(answers[:, present], present)[:, lost].argmax(-1)
                agreeing += int((found == classes[:, lost]).sum())
                right += int((found == labels[:, lost]).sum())
                count += found.numel()
    return agreeing / count, right / count


@contextmanager
def _in_training(networks: Sequence[nn.Module]) -> Iterator[None]:
    for network in networks:
        network.train()
    try:
        yield
    finally:
        for network in networks:
            network.eval()


@contextmanager
def _in_evaluation(code: TrainedCode) -> Iterator[None]:
    for network in code.modules().values():
        network.eval()
    yield
