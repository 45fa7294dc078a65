"""Which of the workers that arrived answer wrongly, mask by mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.straggling.arrivals import Arrivals

__all__ = ["Liars", "draw_liars"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Liars:
    """Who lies under each of M masks over N workers, and how.

    Attributes:
        lying: [M, N] true where the worker's answer arrives and is wrong.
        kind: [M] int64, which of the kinds of wrong answers each mask has.

    Raises:
        ValueError: If the shapes or dtypes do not fit.
    """

    lying: NDArray[np.bool_]
    kind: NDArray[np.int64]

    def __post_init__(self) -> None:
        lying, kind = self.lying, self.kind
        if not (lying.ndim == 2 and lying.dtype == np.bool_):
            raise ValueError(f"`lying` must be booleans [masks, workers], but got {lying.dtype} of {lying.shape}.")
        if not (kind.shape == lying.shape[:1] and kind.dtype == np.int64 and (kind >= 0).all()):
            raise ValueError(
                f"`kind` must be a number from 0 for each of {len(lying)} masks, but got {kind.dtype} of {kind.shape}."
            )


def draw_liars(
    arrivals: Arrivals, *, count: int | None, probability: float | None, kinds: int, sticky: bool, seed: int
) -> Liars:
    """Draw which of those who arrived lie; the masks have the kinds in turn.

    With a count, the first so many of an order of all workers that arrived lie, all of them where fewer did; with a
    probability p, those whose number, uniform in [0, 1), is below p. Orders and numbers are drawn for each mask by its
    own number, whoever arrived: the liars of several straggler counts differ only where the arrivals do.

    Args:
        arrivals: Who arrived.
        count: How many lie under each mask; None where `probability` is given.
        probability: That a worker lies; None where `count` is given.
        kinds: How many kinds of wrong answers there are.
        sticky: Whether one order, or one number for each worker, serves all masks.
        seed: Of the orders and numbers; another than that of the arrivals, whose orders would be the same.

    Raises:
        ValueError: If not exactly one of count ≥ 0 and 0 ≤ p ≤ 1 is given, or not kinds ≥ 1.
    """
    if not kinds >= 1:
        raise ValueError(f"`kinds` must be at least 1, but got {kinds}.")
    rng = np.random.default_rng(seed)
    masks, workers = arrivals.arrived.shape
    drawn = 1 if sticky else masks
    if count is not None and probability is None:
        if not count >= 0:
            raise ValueError(f"`count` must be at least 0, but got {count}.")
        orders = np.stack([rng.permutation(workers) for _ in range(drawn)])
        lying = _first(arrivals.arrived, np.broadcast_to(orders, (masks, workers)), count)
    elif probability is not None and count is None:
        if not 0 <= probability <= 1:
            raise ValueError(f"`0 <= probability <= 1` must hold, but got {probability}.")
        lying = arrivals.arrived & (rng.random((drawn, workers)) < probability)
    else:
        raise ValueError(f"one of `count` and `probability` must be given, but got {count} and {probability}.")
    return Liars(lying=lying, kind=np.arange(masks, dtype=np.int64) % kinds)


def _first(arrived: NDArray[np.bool_], orders: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Mark the first workers of each order that arrived, [M, N]."""
    ordered = np.take_along_axis(arrived, orders, axis=1)
    lying = np.zeros_like(arrived)
    np.put_along_axis(lying, orders, ordered & (ordered.cumsum(axis=1) <= count), axis=1)
    return lying
