"""The masks of a cell, as decoders need them: those with equally many answers together."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from nercc_tune.coding import worker_positions
from nercc_tune.inference.wrong_answers import CellErrors
from nercc_tune.straggling import Arrivals


class CellMasks:
    """Who arrived under each mask of a cell; a cell whose number of stragglers is random has several batches.

    Args:
        arrivals: By the numbers under which masks were drawn.
        errors: Of the same masks; None where nobody lies.

    Attributes:
        batches: The numbers of the workers that arrived, [M, F], a tensor for each number F that occurs.
        order: [M] int64, which drawn mask stands at each place, over all batches.
        errors: The wrong answers, of the masks where they stand.
        waiting: How long is waited on average, in the unit of the latencies; None without a latency model.
    """

    def __init__(self, arrivals: Arrivals, errors: CellErrors | None = None) -> None:
        counts = arrivals.arrived.sum(1)
        occurring = np.unique(counts)[::-1]
        drawn = [np.flatnonzero(counts == count) for count in occurring]
        self.batches = [
            torch.from_numpy(np.nonzero(arrivals.arrived[masks])[1].reshape(-1, count))
            for masks, count in zip(drawn, occurring, strict=True)
        ]
        self.order = torch.from_numpy(np.concatenate(drawn))
        self.errors = None if errors is None else errors.ordered(self.order)
        self.waiting = None if arrivals.waiting is None else float(arrivals.waiting.mean())

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)

    def honest(self) -> CellMasks:
        """Return the same masks where nobody lies."""
        honest = copy.copy(self)
        honest.errors = None
        return honest

    def positions(self, assignment: str, beta: Tensor, *, rack: int | None) -> list[Tensor]:
        """Return the positions in β [N] of those who arrived, [M, F] ascending, a tensor for each number F."""
        positions = worker_positions(assignment, beta, rack=rack)
        return [positions[batch].sort(-1).values for batch in self.batches]
