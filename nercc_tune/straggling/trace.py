"""Measured latencies, split in time into parts that tune, choose and judge."""

from __future__ import annotations

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
_MANY = 0.5  # of the answers: more that never came are rather a mistake in the file


def check_latencies(
    latencies: NDArray[np.float64], *, iterations: Sequence[int] | NDArray[np.int64], first_worker: int
) -> None:
    """Refuse latencies [iterations, N] that cannot have been measured, naming the first place.

    Args:
        latencies: Infinite where an answer never came.
        iterations: The number of each row, as the user knows it.
        first_worker: The number of the first column, as the user knows it.

    Raises:
        TraceError: If one is not positive.
    """
    is_wrong = ~(latencies > 0)
    if not is_wrong.any():
        return
    row, column = np.argwhere(is_wrong)[0]
    raise TraceError(
        f"latencies must be positive, but worker {first_worker + int(column)} has {latencies[row, column]} in "
        f"iteration {int(iterations[row])}; correct it (for an answer that never came, write `inf` or leave it empty)."
    )


def _check_matrix(latencies: NDArray[np.float64]) -> None:
    if not (latencies.ndim == 2 and latencies.size and latencies.dtype == np.float64):
        raise ValueError(
            f"`latencies` must be float64 [iterations, workers], but got {latencies.dtype} of shape {latencies.shape}."
        )
    check_latencies(latencies, iterations=range(len(latencies)), first_worker=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceLatencies:
    """A latency model that replays iterations of a trace, each at most once, in the order of a shuffle.

    Latencies of one iteration stay together, so that their correlation is kept.

    Attributes:
        latencies: [limit, N] in the unit of the trace, positive; infinite where an answer never came.

    Raises:
        TraceError: If a latency is not positive.
        ValueError: If the latencies are not float64 [iterations, N].
    """

    latencies: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check_matrix(self.latencies)

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
    """Latencies of N workers that were measured over some iterations, of one job or several.

    Attributes:
        latencies: [iterations, N], job by job in the order of time, positive, in any unit; infinite where an answer
            never came.
        jobs: [iterations] the number of the job of each iteration; None where there is one job.
        unit: In which the latencies are, where it is known.
        notes: What was decided in reading them, a line each.

    Raises:
        TraceError: If a latency is not positive.
        ValueError: If the latencies are not float64 [iterations, N], or the jobs are not one for each iteration.
    """

    latencies: NDArray[np.float64]
    jobs: NDArray[np.int64] | None = None
    unit: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_matrix(self.latencies)
        if self.jobs is not None and self.jobs.shape != self.latencies.shape[:1]:
            raise ValueError(f"`jobs` must be one for each iteration, but got {self.jobs.shape}.")

    def model(self, *, workers: int, part: Part) -> TraceLatencies:
        """Return the latency model of the first N workers over one part of the iterations.

        The first two fifths of every job tune, the next one chooses among the best, and the last two judge, so that
        what judges was never seen. Iterations in which none of these workers ever answers are in no part: no code can
        answer there, as in the masks of `Independent`.

        Raises:
            TraceError: If the trace has fewer workers, or fewer than 5 iterations.
            ValueError: If not N ≥ 1, or there is no such part.
        """
        if not workers >= 1:
            raise ValueError(f"`workers` must be at least 1, but got {workers}.")
        if part not in _FIFTHS:
            raise ValueError(f"`part` must be one of {', '.join(_FIFTHS)}, but got {part}.")
        recorded = self.latencies.shape[1]
        if workers > recorded:
            raise TraceError(
                f"The trace has {recorded} workers, but {workers} are asked for; "
                "ask for fewer workers, or record a trace of more."
            )
        rows = np.flatnonzero(self._is_answered(workers))
        if not len(rows) >= _LEAST_ITERATIONS:
            raise TraceError(
                f"The trace must have at least {_LEAST_ITERATIONS} iterations, some to tune and others to judge on, "
                f"but has {len(rows)}{' with an answer' if len(rows) < len(self.latencies) else ''}; record more."
            )
        start, stop = (len(rows) * fifths // 5 for fifths in _FIFTHS[part])
        inside = np.sort(self._in_time(rows)[start:stop])
        return TraceLatencies(latencies=self.latencies[inside, :workers])

    def remarks(self, *, workers: int) -> tuple[str, ...]:
        """Return what a user should know of the first N workers of the trace, a line each."""
        used = self.latencies[:, :workers]
        remarks = list(self.notes)
        if workers < self.latencies.shape[1]:
            remarks.append(f"of the trace's {self.latencies.shape[1]} workers the first {workers} are used")
        never, silent = int(np.isinf(used).sum()), int((~self._is_answered(workers)).sum())
        if never:
            share = never / used.size
            remarks.append(
                f"{never} of the trace's {used.size} answers ({share:.1%}) never came: they are late, last or absent"
                + ("; that is more than half: is the trace read as it is meant?" if share > _MANY else "")
            )
        if silent:
            remarks.append(f"in {silent} iterations of the trace no worker ever answers; no mask is drawn from them")
        return tuple(remarks)

    def _is_answered(self, workers: int) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.latencies[:, :workers]).any(axis=1), dtype=np.bool_)

    def _in_time(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Order iterations by how much of their job lies before them, so that each part has its share of every job."""
        if self.jobs is None:
            return rows
        elapsed = np.empty(len(rows))
        jobs = self.jobs[rows]
        for job in np.unique(jobs):
            of_job = np.flatnonzero(jobs == job)
            elapsed[of_job] = (np.arange(len(of_job)) + 0.5) / len(of_job)
        return rows[elapsed.argsort(kind="stable")]
