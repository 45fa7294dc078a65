"""Codes that send plain queries: replication at the same N, and no coding at all, with repair or without."""

from __future__ import annotations

import torch
from torch import Tensor

from nercc_tune.coding.linear import LinearCode


class RepetitionCode(LinearCode):
    """Each working worker gets one plain query; an estimate is the mean of the answers that its query received.

    A query that nobody answered gets the mean of the outputs of those that somebody did, each counted once. Where no
    working worker answered, its estimate is 0. Worker n works on query n mod K; idle workers (n ≥ `working`) get zeros.
    """

    def __init__(self, *, queries: int, workers: int, working: int) -> None:
        super().__init__(queries=queries, workers=workers)
        if not queries <= working <= workers:
            raise ValueError(
                f"`queries <= workers` must hold for every query to have a worker, but got {queries} queries "
                f"and {workers} workers."
            )
        self.working = working

    def _build_encoder(self) -> Tensor:
        serves = torch.arange(self.workers) % self.queries == torch.arange(self.queries)[:, None]
        serves[:, self.working :] = False
        return serves.mT.to(torch.float64).contiguous()

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        answers = self.encoder_matrix[arrived].mT
        copies = answers.sum(-1, keepdim=True)
        known = answers / copies.clamp(min=1)
        average = known.sum(-2, keepdim=True) / (copies > 0).sum(-2, keepdim=True).clamp(min=1)
        return torch.where(copies > 0, known, average)


class ReplicationCode(RepetitionCode):
    """Replication at the same number of workers: every query goes to ⌊N / K⌋ workers or one more.

    Raises:
        ValueError: If there are fewer workers than queries.
    """

    def __init__(self, *, queries: int, workers: int) -> None:
        super().__init__(queries=queries, workers=workers, working=workers)


class UncodedCode(RepetitionCode):
    """No redundancy: the first K workers get one query each, the rest are idle.

    Raises:
        ValueError: If there are fewer workers than queries.
    """

    def __init__(self, *, queries: int, workers: int) -> None:
        super().__init__(queries=queries, workers=workers, working=queries)


class DefaultCode(UncodedCode):
    """No redundancy and no repair: a query that nobody answered gets the default prediction, the estimate 0.

    Published prediction systems answer so when a worker is late: with a fixed output that looks at nothing. Its largest
    entry is always the first, and after a softmax all classes are equally likely.

    Raises:
        ValueError: If there are fewer workers than queries.
    """

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return self.encoder_matrix[arrived].mT.contiguous()
