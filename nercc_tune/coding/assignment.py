"""Which physical worker computes at which worker node, so that those lost together leave small gaps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nercc_tune.splines.coinciding import ranks


def by_number(beta: Tensor, _: int | None) -> Tensor:
    """Put the workers at the nodes in turn; of nodes that coincide first all the first ones, then the second ones.

    So where all queries have equally many copies, these are at least K numbers apart, and no rack of K has two.
    """
    distinct = ranks(beta)
    copy = torch.arange(len(beta)) - torch.searchsorted(distinct, distinct)
    return copy.argsort(stable=True)


def interleaved(beta: Tensor, rack: int | None) -> Tensor:
    """Spread the workers of each rack, `rack` consecutive numbers, over the whole of the worker nodes.

    First come the first workers of all racks, then the second ones, and so on. With two full racks or more no two
    neighbours share a rack; nor do copies of a query, where there are as many full racks as copies.

    Raises:
        ValueError: If the rack does not have 2 to N workers.
    """
    workers = len(beta)
    if rack is None or not 2 <= rack <= workers:
        raise ValueError(f"`rack` must be from 2 to {workers} for the assignment 'interleaved', but got {rack}.")
    numbers = torch.arange(workers)
    return (numbers % rack * workers + numbers // rack).argsort().argsort()


ASSIGNMENTS: dict[str, Callable[[Tensor, int | None], Tensor]] = {"identity": by_number, "interleaved": interleaved}
"""Kinds of assignments by name: each takes (β, workers of a rack) to the position [N] of each worker among the β."""


def worker_positions(kind: str, beta: Tensor, *, rack: int | None = None) -> Tensor:
    """Return the position of each physical worker among the worker nodes.

    Args:
        kind: A name in `ASSIGNMENTS`.
        beta: The worker nodes [N], ascending.
        rack: How many consecutive workers may be lost together; `identity` does not look at it.

    Returns:
        [N] int64: worker n computes at `beta[position[n]]`.

    Raises:
        ValueError: If the kind is unknown, there is no worker, or `interleaved` has no rack of 2 to N workers.

    Example:
        >>> worker_positions("interleaved", torch.linspace(-1, 1, 6), rack=3).tolist()
        [0, 2, 4, 1, 3, 5]
        >>> worker_positions("identity", torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0])).tolist()
        [0, 2, 3, 1, 4]
    """
    if kind not in ASSIGNMENTS:
        raise ValueError(f"`assignment` must be one of {', '.join(sorted(ASSIGNMENTS))}, but got {kind!r}.")
    if len(beta) == 0:
        raise ValueError("`beta` must hold at least one worker, but got none.")
    return ASSIGNMENTS[kind](beta, rack)
