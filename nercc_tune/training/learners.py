"""What is learned of each kind of code: its networks, the loss of a batch, and the code as it stands."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nercc_tune.coding import MIXERS, TrainedCode, build_output_decoder, parity_weights, subtraction_matrix
from nercc_tune.records import Loss, Training
from nercc_tune.training.task import Task

__all__ = ["Learner", "make_learner"]

_LINEAR_STD = 0.01


class Learner(Protocol):
    """What a training improves."""

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The networks whose weights are learned, by their names in `TrainedCode.modules`."""

    def loss(self, inputs: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of groups of queries [B, K, …], of which the base model gives outputs [B, K, c]."""

    def code(self) -> TrainedCode:
        """Return the code, which shares the networks."""

    def finished(self) -> TrainedCode:
        """Return the code as it is served: networks in their served form, of their own, on the CPU."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ParityLearner:
    """Networks that give the mix of the outputs from the mix of the queries.

    The loss `mse` is the mean squared error to `Σ_j w_ij f(x_j)`; of the target `labels`, f(x) is the base model's mean
    output for the label of x. The others are those of the estimates that subtraction makes of the queries whose own
    answer is missing, over every loss of R answers: they spend a network's capacity on what decides the class.

    Reference:
        JSAIT 2020, section V: training with outputs of the base model, or with labels.
    """

    task: Task
    training: Training
    mixer: nn.Module
    networks: tuple[nn.Module, ...]
    finish: Callable[[nn.Module], nn.Module]

    @property
    def trained(self) -> dict[str, nn.Module]:
        return {f"parity-{number}": network for number, network in enumerate(self.networks, start=1)}

    def loss(self, inputs: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
        parities = self.code().parity_answers(inputs, self.task.base)
        if self.training.loss != "mse":
            estimates = self._subtractions.to(parities) @ torch.cat([outputs, parities], 1)[:, None]
            return loss_of_lost(self.task, self.training.loss, estimates, outputs, labels)
        targets = outputs if self.training.target == "outputs" else self.task.prototypes[labels]
        weights = parity_weights(self.task.queries, self.task.parities).to(targets)
        return (parities - torch.einsum("rk,bkc->brc", weights, targets)).square().mean((0, 2)).sum()

    @cached_property
    def _subtractions(self) -> Tensor:
        """[U, K, N], what decodes under every loss of R answers, with zeros for those that are lost."""
        task = self.task
        matrices = torch.zeros(len(task.losses_of_answers), task.queries, task.workers, dtype=torch.float64)
        for matrix, arrived in zip(matrices, task.losses_of_answers, strict=True):
            matrix[:, arrived] = subtraction_matrix(torch.tensor(arrived), queries=task.queries, workers=task.workers)
        return matrices

    def code(self) -> TrainedCode:
        return TrainedCode(
            queries=self.task.queries, workers=self.task.workers, mixer=self.mixer, parity_networks=self.networks
        )

    def finished(self) -> TrainedCode:
        served = tuple(self.finish(_own(network)) for network in self.networks)
        return TrainedCode(
            queries=self.task.queries, workers=self.task.workers, mixer=_own(self.mixer), parity_networks=served
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedLearner:
    """An encoder and a decoder, trained in tandem through the frozen base model, over every loss of R answers.

    The loss is that of the queries whose own answer is missing: the squared error to the base model's outputs, the
    divergence from the distribution they stand for, or the cross-entropy with the labels.

    Reference:
        JSAIT 2020, section IV; arXiv 1806.01259.
    """

    task: Task
    training: Training
    mixer: nn.Module
    decoder: nn.Module

    @property
    def trained(self) -> dict[str, nn.Module]:
        return {"mixer": self.mixer, "decoder": self.decoder}

    def loss(self, inputs: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
        parities = self.code().parity_answers(inputs, self.task.base)
        answers = torch.cat([outputs, parities], 1)
        arrives = self.task.arrives.to(answers)
        estimates = self.decoder((answers[:, None] * arrives[:, :, None]).flatten(0, 1)).float()
        estimates = estimates.unflatten(0, (len(inputs), len(arrives)))
        return loss_of_lost(self.task, self.training.loss, estimates, outputs, labels)

    def code(self) -> TrainedCode:
        return TrainedCode(queries=self.task.queries, workers=self.task.workers, mixer=self.mixer, decoder=self.decoder)

    def finished(self) -> TrainedCode:
        return TrainedCode(
            queries=self.task.queries,
            workers=self.task.workers,
            mixer=_own(self.mixer),
            decoder=_own(self.decoder),
        )


def loss_of_lost(task: Task, loss: Loss, estimates: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of the estimates of queries whose own answer is missing.

    Args:
        task: Says which are missing, under each of U losses.
        loss: Which.
        estimates: [B, U, K, c], logits.
        outputs: [B, K, c], those of the base model.
        labels: [B, K].
    """
    lost = (1 - task.arrives[:, : task.queries]).to(estimates).expand(len(estimates), -1, -1)
    return (_loss_of_each(loss, estimates, outputs[:, None], labels[:, None]) * lost).sum() / lost.sum()


def _loss_of_each(loss: Loss, estimates: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each estimate, [B, U, K]."""
    if loss == "mse":
        return (estimates - outputs).square().mean(-1)
    likely = estimates.log_softmax(-1)
    if loss == "kl":
        wanted = outputs.log_softmax(-1).expand_as(likely)
        return functional.kl_div(likely, wanted, reduction="none", log_target=True).sum(-1)
    return -likely.take_along_dim(labels.expand(likely.shape[:-1])[..., None], -1)[..., 0]


def make_learner(
    task: Task, training: Training, *, trainable: Callable[[], nn.Module], finish: Callable[[nn.Module], nn.Module]
) -> Learner:
    """Make what a training starts from, on the task's device; the same seed gives the same weights.

    Args:
        task: What it works with.
        training: How.
        trainable: Makes a network of the base model's architecture in the form that is trained.
        finish: Turns such a network into the form that is served.

    Raises:
        ValueError: If the mixer cannot be had for so many queries of this shape.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        mixer = MIXERS[training.mixer].build(
            queries=task.queries, parities=task.parities, shape=tuple(task.inputs.shape[1:])
        )
        if training.kind == "learned":
            decoder = build_output_decoder(queries=task.queries, parities=task.parities, outputs=task.outputs.shape[-1])
            return LearnedLearner(
                task=task, training=training, mixer=mixer.to(task.device), decoder=decoder.to(task.device)
            )
        is_random = training.initialisation == "random"
        networks = [initialised(trainable()) if is_random else copy.deepcopy(task.base) for _ in range(task.parities)]
    for network in networks:
        for parameter in network.parameters():
            parameter.requires_grad = True
    return ParityLearner(
        task=task,
        training=training,
        mixer=mixer.to(task.device),
        networks=tuple(network.to(task.device) for network in networks),
        finish=finish if is_random else lambda network: network,
    )


def initialised(network: nn.Module) -> nn.Module:
    """Give a network the random weights that were published for parity models.

    Convolutions Xavier's uniform law with the gain of a ReLU, matrices a normal law of standard deviation 0.01, biases
    0; all else, such as the scales of normalisations, what its layer begins with.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight, gain=nn.init.calculate_gain("relu"))
            else:
                nn.init.normal_(layer.weight, std=_LINEAR_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    return network


def _own(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).cpu().eval()
