"""What a training has to work with: queries in memory, the base model, and what it gives for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor, nn

__all__ = ["Task"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """The training of a code of K queries and N workers.

    Attributes:
        queries: K.
        workers: N.
        base: The model that is served, frozen, in evaluation mode, on the device.
        inputs: [n, …] float32, the training queries, the last of which validate.
        outputs: [n, c] float32, what the base model gives for them.
        labels: [n] int64.
        validation: How many of the queries validate, a multiple of K.
        device: Where it trains.
    """

    queries: int
    workers: int
    base: nn.Module
    inputs: Tensor
    outputs: Tensor
    labels: Tensor
    validation: int
    device: torch.device

    @property
    def parities(self) -> int:
        """R."""
        return self.workers - self.queries

    @property
    def trained_on(self) -> int:
        """How many queries are trained on."""
        return len(self.labels) - self.validation

    @cached_property
    def losses_of_answers(self) -> list[list[int]]:
        """The workers that arrive, ascending, for every loss of R answers that concerns a query."""
        every = range(self.workers)
        kept = (sorted(set(every) - set(lost)) for lost in combinations(every, self.parities) if lost[0] < self.queries)
        return list(kept)

    @cached_property
    def arrives(self) -> Tensor:
        """[U, N], 1 for each worker that arrives, for each of those losses."""
        arrives = torch.zeros(len(self.losses_of_answers), self.workers)
        for row, workers in zip(arrives, self.losses_of_answers, strict=True):
            row[workers] = 1
        return arrives

    @cached_property
    def prototypes(self) -> Tensor:
        """The base model's mean output for each label, [labels, c] on the device, over the queries that are trained on.

        It is summed on the CPU, always in the same order.
        """
        labels, outputs = self.labels[: self.trained_on].cpu(), self.outputs[: self.trained_on].cpu()
        count = int(self.labels.max()) + 1
        sums = outputs.new_zeros(count, outputs.shape[-1]).index_add_(0, labels, outputs)
        return (sums / labels.bincount(minlength=count).clamp(min=1)[:, None]).to(self.device)

    def groups(self, *, seed: int) -> Tensor:
        """Return the queries that are trained on in groups [G, K], drawn anew for each seed."""
        order = torch.randperm(self.trained_on, generator=torch.Generator().manual_seed(seed))
        return order[: self.trained_on // self.queries * self.queries].reshape(-1, self.queries)

    @cached_property
    def validation_groups(self) -> Tensor:
        """Return the queries that validate, in groups [G, K], always the same."""
        return torch.arange(self.trained_on, len(self.labels)).reshape(-1, self.queries)
