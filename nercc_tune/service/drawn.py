"""Numbers that depend on a seed, a worker and how many tasks it has run, not on who asks when."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nercc_tune.straggling import LatencyModel

_SIZE = 256  # draws at once: a generator costs as much as a thousand of them
_KEPT = 8  # blocks of all workers; who runs more tasks is only a few ahead


class Stream(IntEnum):
    """What is drawn: with one seed, all of these are independent of each other, and of the arrivals."""

    SERVICE = 1
    EXTRA = 2
    PAIRS = 3
    BEGINNING = 4
    ORDER = 5


def generator(seed: int, stream: Stream, *, worker: int = 0, block: int = 0) -> np.random.Generator:
    """Return what draws a stream, or a worker's block of it."""
    return np.random.default_rng([seed, worker, block, stream])  # the stream is last, since zeros at the end count not


class Drawn:
    """A stream of numbers for each worker, drawn in blocks.

    Args:
        draw: Makes the numbers of a worker's block from the worker and the block.
        size: How many these are.
    """

    def __init__(self, draw: Callable[[int, int], NDArray[np.float64]], *, size: int = _SIZE) -> None:
        self._draw = draw
        self._size = size
        self._blocks: dict[tuple[int, int], list[float]] = {}

    def at(self, worker: int, number: int) -> float:
        """Return a worker's number."""
        block, place = divmod(number, self._size)
        numbers = self._blocks.get((worker, block))
        if numbers is None:
            numbers = self._blocks[worker, block] = self._draw(worker, block).tolist()
        return numbers[place]


def drawn_by(draw: Callable[[np.random.Generator, int], NDArray[np.float64]], *, seed: int, stream: Stream) -> Drawn:
    """Return streams in which the workers are independent.

    Args:
        draw: Takes a generator and how many numbers to draw.
        seed: Decides all of them.
        stream: What is drawn.
    """
    return Drawn(lambda worker, block: draw(generator(seed, stream, worker=worker, block=block), _SIZE))


def drawn_from(model: LatencyModel, *, seed: int, stream: Stream) -> Drawn:
    """Return streams in which the workers' numbers of one iteration are drawn together, as a latency model has them.

    A worker's task of number i is its part of iteration i. A model of few iterations, such as a trace, is gone through
    again and again, each time in another order.
    """
    size = _SIZE if model.limit is None else min(_SIZE, model.limit)

    @lru_cache(maxsize=_KEPT)
    def sample(block: int) -> NDArray[np.float64]:
        return model.sample(size, seed=int(generator(seed, stream, block=block).integers(2**32)))

    return Drawn(lambda worker, block: sample(block)[:, worker], size=size)
