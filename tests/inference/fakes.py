"""Small models and data that answer predictably."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nercc_tune.inference import Groups
from nercc_tune.straggling import Exactly
from nercc_tune.workloads import Workload


class Seen(list[int]):
    """Batch sizes that a model saw, shared by all of its copies."""

    def __deepcopy__(self, memo: dict[int, object]) -> Seen:
        return self


class Counting(nn.Module):
    """A linear model that records its batches and runs out of memory above a batch size."""

    def __init__(self, features: int = 12, outputs: int = 3, *, limit: int | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.limit = limit
        self.seen = Seen()

    def forward(self, batch: Tensor) -> Tensor:
        if self.limit is not None and len(batch) > self.limit:
            raise torch.OutOfMemoryError(f"{len(batch)} queries are too many")
        self.seen.append(len(batch))
        answers: Tensor = self.linear(batch.flatten(1))
        return answers


def draw_groups(groups: int = 4, queries: int = 5, *, key: str = "drawn") -> Groups:
    generator = torch.Generator().manual_seed(1)
    return Groups(
        queries=torch.randn(groups, queries, 3, 2, 2, generator=generator),
        labels=torch.randint(3, (groups, queries), generator=generator),
        key=key,
    )


def exactly(stragglers: int, *, workers: int, masks: int, seed: int) -> Tensor:
    """Return the numbers of those who arrive, [masks, workers − stragglers] ascending."""
    arrivals = Exactly(workers=workers).draw(stragglers, masks=masks, seed=seed)
    return torch.from_numpy(np.nonzero(arrivals.arrived)[1].reshape(masks, -1))


@dataclass(frozen=True, kw_only=True)
class NumberedQueries:
    """Query i is filled with i and labelled i mod 3."""

    count: int
    name: str = "numbers"
    identity: str = "numbers"

    @property
    def labels(self) -> Tensor:
        return torch.arange(self.count) % 3

    def __len__(self) -> int:
        return self.count

    def check(self, indices: Sequence[int]) -> tuple[str, ...]:
        assert all(0 <= index < self.count for index in indices)
        return ()

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        drawn = torch.tensor(indices)
        return drawn[:, None, None, None].expand(-1, 3, 2, 2).to(torch.float32), drawn % 3


def workload(count: int = 100) -> Workload:
    return Workload(
        model_name="counting",
        data_name="numbers",
        model=Counting().eval(),
        data=NumberedQueries(count=count),
        query_shape=(3, 2, 2),
        outputs=3,
        fingerprint="f" * 64,
        weights_source="random",
    )
