"""Which workers arrived, mask by mask, and how long was waited."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def check_masks(masks: int) -> None:
    """Refuse a number of masks that is no number of masks.

    Raises:
        ValueError: If not masks ≥ 1.
    """
    if not masks >= 1:
        raise ValueError(f"`masks` must be at least 1, but got {masks}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrivals:
    """M masks over N workers, drawn by a straggler model.

    Attributes:
        arrived: [M, N] true where the worker's answer was waited for. In every mask somebody arrived.
        waiting: [M] how long was waited, in the unit of the latencies; None where the model has no time.

    Raises:
        ValueError: If the shapes or dtypes do not fit, nobody arrived, or a waiting time is not positive and finite.
    """

    arrived: NDArray[np.bool_]
    waiting: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        arrived, waiting = self.arrived, self.waiting
        if not (arrived.ndim == 2 and arrived.dtype == np.bool_ and len(arrived) >= 1):
            raise ValueError(
                f"`arrived` must be booleans [masks, workers], but got {arrived.dtype} of shape {arrived.shape}."
            )
        if not arrived.any(axis=1).all():
            nobody = int((~arrived.any(axis=1)).argmax())
            raise ValueError(f"`arrived` must have an arrived worker in every mask, but got none in mask {nobody}.")
        if waiting is None:
            return
        if waiting.shape != arrived.shape[:1]:
            raise ValueError(f"`waiting` must be one time for each of {len(arrived)} masks, but got {waiting.shape}.")
        is_time = (waiting > 0) & (waiting < math.inf)
        if not is_time.all():
            raise ValueError(f"`waiting` must be positive and finite, but got {waiting[is_time.argmin()]}.")

    @property
    def stragglers(self) -> NDArray[np.int64]:
        """[M] the number S of stragglers in each mask."""
        counts: NDArray[np.int64] = (~self.arrived).sum(axis=1, dtype=np.int64)
        return counts

    @property
    def longest_runs(self) -> NDArray[np.int64]:
        """[M] the largest number of stragglers with consecutive numbers; N − 1 and 0 are not neighbours."""
        running = np.zeros(len(self.arrived), dtype=np.int64)
        longest = np.zeros_like(running)
        for has_arrived in self.arrived.T:
            running += 1
            running[has_arrived] = 0
            np.maximum(longest, running, out=longest)
        return longest
