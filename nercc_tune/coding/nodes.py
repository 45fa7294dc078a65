"""Where the queries and the workers sit: the node sets of a code, and the registry of their kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

DOMAIN = (-1.0, 1.0)
"""The interval that every node set lies in; λ has the unit of its length cubed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeSet:
    """Query nodes α [K] and worker nodes β [N], float64, each ascending within `DOMAIN`."""

    alpha: Tensor
    beta: Tensor

    def __post_init__(self) -> None:
        for name, nodes in (("alpha", self.alpha), ("beta", self.beta)):
            inside = bool((nodes >= DOMAIN[0]).all() and (nodes <= DOMAIN[1]).all())
            if not inside or not bool((nodes.diff() > 0).all()):
                raise ValueError(f"`{name}` must ascend strictly within [-1, 1], but got {nodes.tolist()}.")


def chebyshev(queries: int, workers: int) -> NodeSet:
    """Place queries at the Chebyshev points of the first kind and workers at those of the second kind.

    `α_k = −cos((2k − 1) π / 2K)` and `β_n = −cos((n − 1) π / (N − 1))`, written as sines so that they are exactly
    antisymmetric; the paper's cosines without the sign descend.

    Reference:
        NeRCC, arXiv 2402.04377, section 3.1.
    """
    return NodeSet(alpha=_sine_points(queries, queries), beta=_sine_points(workers, workers - 1))


def uniform(queries: int, workers: int) -> NodeSet:
    """Place the workers evenly from end to end, and the queries at the centres of K equal parts."""
    return NodeSet(alpha=_even_points(queries, queries), beta=_even_points(workers, workers - 1))


NODES: dict[str, Callable[[int, int], NodeSet]] = {"chebyshev": chebyshev, "uniform": uniform}
"""Kinds of node sets by name: each takes (K, N)."""


def node_set(kind: str, *, queries: int, workers: int) -> NodeSet:
    """Return the node set of a registered kind.

    Raises:
        ValueError: If the kind is not registered, or a count is below 1.
    """
    if kind not in NODES:
        raise ValueError(f"`nodes` must be one of {', '.join(sorted(NODES))}, but got {kind!r}.")
    if not (queries >= 1 and workers >= 1):
        raise ValueError(f"`queries` and `workers` must be at least 1, but got {queries} and {workers}.")
    return NODES[kind](queries, workers)


def _even_points(count: int, parts: int) -> Tensor:
    """Return `count` points spaced by 2 / parts and centred on 0."""
    return torch.arange(1 - count, count, 2, dtype=torch.float64) / max(parts, 1)


def _sine_points(count: int, parts: int) -> Tensor:
    return torch.sin(torch.pi / 2 * _even_points(count, parts))
