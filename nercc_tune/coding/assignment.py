"""Which physical worker computes at which worker node, so that those lost together leave small gaps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def interleaved(workers: int, rack: int) -> Tensor:
    """Spread the workers of each rack, `rack` consecutive numbers, over the whole of the worker nodes.

    First come the first workers of all racks, then the second ones, and so on. With two full racks or more no two
    neighbours share a rack.

    Returns:
        [N] int64: the position of each worker among the nodes β.
    """
    numbers = torch.arange(workers)
    return (numbers % rack * workers + numbers // rack).argsort().argsort()


ASSIGNMENTS: dict[str, Callable[[int, int], Tensor]] = {
    "identity": lambda workers, _: torch.arange(workers),
    "interleaved": interleaved,
}
"""Kinds of assignments by name: each takes (N, workers of a rack) to the position [N] of each worker among the β."""


def worker_positions(kind: str, *, workers: int, rack: int | None = None) -> Tensor:
    """Return the position of each physical worker among the worker nodes.

    Args:
        kind: A name in `ASSIGNMENTS`.
        workers: N.
        rack: How many consecutive workers may be lost together; `identity` does not look at it.

    Returns:
        [N] int64: worker n computes at `beta[position[n]]`.

    Raises:
        ValueError: If the kind is unknown, there is no worker, or `interleaved` has no rack of 2 to N workers.

    Example:
        >>> worker_positions("interleaved", workers=6, rack=3).tolist()
        [0, 2, 4, 1, 3, 5]
    """
    if kind not in ASSIGNMENTS:
        raise ValueError(f"`assignment` must be one of {', '.join(sorted(ASSIGNMENTS))}, but got {kind!r}.")
    if not workers >= 1:
        raise ValueError(f"`workers` must be at least 1, but got {workers}.")
    if kind == "identity":
        return ASSIGNMENTS[kind](workers, workers)
    if rack is None or not 2 <= rack <= workers:
        raise ValueError(f"`rack` must be from 2 to {workers} for the assignment {kind!r}, but got {rack}.")
    return ASSIGNMENTS[kind](workers, rack)
