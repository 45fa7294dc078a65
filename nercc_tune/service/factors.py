"""Workers that are slow as a latency law or a trace says."""

from __future__ import annotations

import numpy as np

from nercc_tune.service.drawn import Stream, drawn_from, generator
from nercc_tune.straggling import Law, Trace


class LawSlowness:
    """A task takes max(1, T) times as long as undisturbed, with T from a latency law: its unit is the service time.

    Args:
        law: Of T.
        seed: Decides all draws.
    """

    def __init__(self, law: Law, *, seed: int) -> None:
        self._factors = drawn_from(law, seed=seed, stream=Stream.EXTRA)

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:  # noqa: D102, ARG002
        return max(0.0, self._factors.at(worker, number) - 1.0) * service_s


class TraceSlowness:
    """A task takes as many times longer as a worker of a trace took, compared with the fastest worker's median.

    A worker's task of number i is iteration r + i of the trace, which is gone through again and again in its order; r
    is drawn, and is the same for all columns, so that what the trace says of its workers together stays. Workers beyond
    its columns take the columns again, from another r. What never came in the trace takes as long as what came last.

    Args:
        trace: Latencies in any unit.
        workers: How many there are.
        seed: Decides where in the trace it begins.
        is_shuffled: Whether it also decides which worker takes which column; otherwise they take them in their order.

    Raises:
        ValueError: If not workers ≥ 1.
    """

    def __init__(self, trace: Trace, *, workers: int, seed: int, is_shuffled: bool = False) -> None:
        if not workers >= 1:
            raise ValueError(f"`workers` must be at least 1, but got {workers}.")
        latencies = trace.latencies
        longest = latencies[np.isfinite(latencies)].max()
        latencies = np.minimum(latencies, longest)
        extra = np.maximum(0.0, latencies / np.median(latencies, axis=0).min() - 1.0)
        rows, columns = latencies.shape
        laps = -(-workers // columns)
        self._extra: list[list[float]] = extra.T.tolist()
        self._rows = rows
        self._columns = columns
        places = np.arange(laps * columns)
        if is_shuffled:
            generator(seed, Stream.ORDER).shuffle(places)
        self._places: list[int] = places.tolist()
        self._begins = [int(generator(seed, Stream.BEGINNING, block=lap).integers(rows)) for lap in range(laps)]

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:  # noqa: D102, ARG002
        lap, column = divmod(self._places[worker], self._columns)
        relative: float = self._extra[column][(self._begins[lap] + number) % self._rows]
        return relative * service_s
