"""Measured latencies, split in time into parts that tune, choose and judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling.latency import check_iterations

Part = Literal["tuning", "validation", "heldout"]
"""Which draws: those that tune, those that choose among the best, and those that judge."""

# Where each part ends, in fifths of the iterations: in the order of time, so that what judges came last.
_FIFTHS: dict[Part, tuple[int, int]] = {"tuning": (0, 2), "validation": (2, 3), "heldout": (3, 5)}
_LEAST_ITERATIONS = 5


def check_latencies(
    latencies: NDArray[np.float64], *, iterations: Sequence[int] | NDArray[np.int64], first_worker: int
) -> None:
    """Refuse latencies [iterations, N] that cannot have been measured, naming the first place.

    Args:
        latencies: NaN where none was recorded.
        iterations: The number of each row, as the user knows it.
        first_worker: The number of the first column, as the user knows it.

    Raises:
        TraceError: If one is missing, or is not positive and finite.
    """
    is_missing = np.isnan(latencies)
    is_wrong = is_missing | ~((latencies > 0) & (latencies < math.inf))
    if not is_wrong.any():
        return
    row, column = np.argwhere(is_missing if is_missing.any() else is_wrong)[0]
    iteration, worker = int(iterations[row]), first_worker + int(column)
    if is_missing.any():
        raise TraceError(
            f"iteration {iteration} lacks a latency of worker {worker}; record it, or remove the iteration."
        )
    raise TraceError(
        f"latencies must be positive and finite, but worker {worker} has {latencies[row, column]} in iteration "
        f"{iteration}; correct it, or remove the iteration."
    )


def _check_matrix(latencies: NDArray[np.float64]) -> None:
    if not (latencies.ndim == 2 and latencies.size and latencies.dtype == np.float64):
        raise ValueError(
            f"`latencies` must be float64 [iterations, workers], but got {latencies.dtype} of shape {latencies.shape}."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceLatencies:
    """A latency model that replays iterations of a trace, each at most once, in the order of a shuffle.

    Latencies of one iteration stay together, so that their correlation is kept.

    Attributes:
        latencies: [limit, N] in the unit of the trace, positive and finite.

    Raises:
        TraceError: If a latency is not positive and finite.
        ValueError: If the latencies are not float64 [iterations, N].
    """

    latencies: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check_matrix(self.latencies)
        check_latencies(self.latencies, iterations=range(len(self.latencies)), first_worker=0)

    @property
    def workers(self) -> int:
        """The number N of workers."""
        return int(self.latencies.shape[1])

    @property
    def limit(self) -> int | None:
        """The number of iterations that there are."""
        return len(self.latencies)

    def sample(self, iterations: int, *, seed: int) -> NDArray[np.float64]:  # noqa: D102 - as the protocol says
        check_iterations(iterations)
        if iterations > len(self.latencies):
            raise TraceError(
                f"This part of the trace has {len(self.latencies)} iterations, but {iterations} are asked for; "
                "ask for fewer masks, or record a longer trace."
            )
        return self.latencies[np.random.default_rng(seed).permutation(len(self.latencies))[:iterations]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Latencies of N workers that were measured over some iterations.

    Attributes:
        latencies: [iterations, N] in the order of time, positive and finite, in any unit.

    Raises:
        TraceError: If a latency is not positive and finite.
        ValueError: If the latencies are not float64 [iterations, N].
    """

    latencies: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check_matrix(self.latencies)
        check_latencies(self.latencies, iterations=range(len(self.latencies)), first_worker=0)

    def model(self, *, workers: int, part: Part) -> TraceLatencies:
        """Return the latency model of the first N workers over one part of the iterations.

        The first two fifths tune, the next one chooses among the best, and the last two judge, so that what judges was
        never seen.

        Raises:
            TraceError: If the trace has fewer workers, or fewer than 5 iterations.
            ValueError: If not N ≥ 1, or there is no such part.
        """
        if not workers >= 1:
            raise ValueError(f"`workers` must be at least 1, but got {workers}.")
        if part not in _FIFTHS:
            raise ValueError(f"`part` must be one of {', '.join(_FIFTHS)}, but got {part}.")
        iterations, recorded = self.latencies.shape
        if workers > recorded:
            raise TraceError(
                f"The trace has {recorded} workers, but {workers} are asked for; "
                "ask for fewer workers, or record a trace of more."
            )
        if not iterations >= _LEAST_ITERATIONS:
            raise TraceError(
                f"The trace must have at least {_LEAST_ITERATIONS} iterations, some to tune and others to judge on, "
                f"but has {iterations}; record more."
            )
        start, stop = _FIFTHS[part]
        rows = slice(iterations * start // 5, iterations * stop // 5)
        return TraceLatencies(latencies=self.latencies[rows, :workers])
