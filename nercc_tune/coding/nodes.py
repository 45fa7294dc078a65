"""Where the queries and the workers sit: the node sets of a code, and the registry of their kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

DOMAIN = (-1.0, 1.0)
"""The interval that every node set lies in; λ has the unit of its length cubed."""

FITTED_NODES = ("chord-length",)
"""Kinds of nodes whose α depend on the queries of a group."""

# Duplicates are at distance 0 and need nodes all the same: a share of the mean gap that no smoothing feels.
_LEAST_GAP = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeSet:
    """Query nodes α [K] and worker nodes β [N], float64, each ascending within `DOMAIN`; several β may coincide.

    The α of many groups may be held together as [..., K]; codes take those of one group.
    """

    alpha: Tensor
    beta: Tensor

    def __post_init__(self) -> None:
        for name, nodes in (("alpha", self.alpha), ("beta", self.beta)):
            inside = bool((nodes >= DOMAIN[0]).all() and (nodes <= DOMAIN[1]).all())
            gaps = nodes.diff()
            if not inside or not bool((gaps > 0).all() if name == "alpha" else (gaps >= 0).all()):
                strictly = " strictly" if name == "alpha" else ""
                raise ValueError(f"`{name}` must ascend{strictly} within [-1, 1], but got {nodes.tolist()}.")

    @property
    def queries(self) -> int:
        """K of one group.

        Raises:
            ValueError: If these are the nodes of several groups, of which a code would take no notice.
        """
        if self.alpha.ndim != 1:
            raise ValueError(f"`alpha` must be that of one group [K], but got shape {tuple(self.alpha.shape)}.")
        return len(self.alpha)

    @property
    def workers(self) -> int:
        """N."""
        return len(self.beta)

    def each(self) -> tuple[NodeSet, ...]:
        """Return the nodes of each group that α is held of; where all groups share one α, these."""
        if self.alpha.ndim == 1:
            return (self,)
        return tuple(NodeSet(alpha=alpha, beta=self.beta) for alpha in self.alpha)


def chebyshev(queries: int, workers: int) -> NodeSet:
    """Place queries at the Chebyshev points of the first kind and workers at those of the second kind.

    `α_k = −cos((2k − 1) π / 2K)` and `β_n = −cos((n − 1) π / (N − 1))`, written as sines so that they are exactly
    antisymmetric; the paper's cosines without the sign descend.

    Reference:
        NeRCC, arXiv 2402.04377, section 3.1.
    """
    return NodeSet(alpha=_sine_points(queries, queries), beta=_sine_points(workers, workers - 1))


def first_kind(queries: int, workers: int) -> NodeSet:
    """Place queries and workers at the Chebyshev points of the first kind.

    `α_k = −cos((2k − 1) π / 2K)` and `β_n = −cos((2n − 1) π / 2N)`, neither of which reach the ends. Berrut's coded
    queries, each times the denominator of its worker, are then words of a DCT code. Some α is a β, to the last bit,
    where 2 divides K and N equally often.

    Reference:
        SBACC, arXiv 2507.01330.
    """
    return NodeSet(alpha=_sine_points(queries, queries), beta=_sine_points(workers, workers))


def approxifer(queries: int, workers: int) -> NodeSet:
    """Place the workers at the Chebyshev points of the second kind for N + 1 of them, without the one at −1.

    `α_k = −cos((2k − 1) π / 2K)` and `β_n = −cos(n π / N)` for n = 1 … N: the grid of ApproxIFER's public accuracy
    scripts, `cos(i π / N)` for i = 0 … N − 1, in ascending order. It is not symmetric, and a lone worker sits at 1.

    Reference:
        ApproxIFER, arXiv 2109.09868, and its scripts.
    """
    return NodeSet(alpha=_sine_points(queries, queries), beta=_sine_points(workers + 1, workers)[1:])


def uniform(queries: int, workers: int) -> NodeSet:
    """Place the workers evenly from end to end, and the queries at the centres of K equal parts."""
    return NodeSet(alpha=_even_points(queries, queries), beta=_even_points(workers, workers - 1))


def systematic(queries: int, workers: int) -> NodeSet:
    """Place the queries evenly from end to end, a worker on each of them, and the other workers in the gaps.

    The gaps have equally many workers, evenly spaced, or one more; the fuller ones lie evenly among the others. A
    code that interpolates sends K workers plain queries, and passes on what they answer.

    Raises:
        ValueError: If there are fewer workers than queries.
    """
    if not queries <= workers:
        raise ValueError(
            f"`queries <= workers` must hold for every query to have a worker, but got {queries} queries "
            f"and {workers} workers."
        )
    return NodeSet(alpha=_even_points(queries, queries - 1), beta=_systematic_beta(queries, workers))


def copies(queries: int, workers: int, *, copies: int) -> NodeSet:
    """Place the queries evenly from end to end, `copies` workers on each of them, and the other workers in the gaps.

    Equally many lie in every gap, evenly spaced. Those left over are further copies of some queries, evenly among
    them, or where there are no copies, further workers of some gaps. A code that interpolates sends plain queries to
    the workers on query nodes, and any copy that arrives is the output itself.

    Args:
        queries: K.
        workers: N.
        copies: c, from 0 to ⌊N / K⌋.

    Raises:
        ValueError: If there are not so many workers.
    """
    most = workers // queries
    if not 0 <= copies <= most:
        raise ValueError(f"`copies` must be from 0 to N // K = {most}, but got {copies}.")
    gaps = queries - 1
    if gaps == 0:
        return NodeSet(alpha=_even_points(1, 1), beta=torch.zeros(workers, dtype=torch.float64))
    between, spare = divmod(workers - copies * queries, gaps)
    further = _spread(spare, queries if copies else gaps)
    points = []
    for query in range(queries):
        start = 2 * query - gaps
        points += [start / gaps] * (copies + (copies > 0 and query in further))
        parts = between + 1 + (copies == 0 and query in further) if query < gaps else 1
        points += [(start * parts + 2 * step) / (gaps * parts) for step in range(1, parts)]
    return NodeSet(alpha=_even_points(queries, gaps), beta=torch.tensor(points, dtype=torch.float64))


def chord_length(distances: Tensor, *, power: float) -> Tensor:
    """Space query nodes by how unlike consecutive queries are, as in parametric curve fitting.

    The gaps are proportional to `distance ** power`: 1 is the chord length, 0.5 centripetal, 0 the nodes of
    `uniform`, whose first and last α are the ends for every power. Gaps below 5 % of the mean are made that long.

    Args:
        distances: [..., K − 1], at least 0.
        power: From 0 to 1.

    Returns:
        α [..., K] float64.

    Raises:
        ValueError: If a distance is negative or not finite, or the power lies outside [0, 1].

    Reference:
        Lee, Choosing nodes in parametric curve interpolation (1989).
    """
    if not bool(((distances >= 0) & distances.isfinite()).all()):
        raise ValueError("`distances` must be finite and at least 0, but got a value that is not.")
    if not 0 <= power <= 1:
        raise ValueError(f"`power` must be from 0 to 1, but got {power}.")
    inner = distances.shape[-1]
    if inner == 0:
        return torch.zeros(*distances.shape[:-1], 1, dtype=torch.float64, device=distances.device)
    lengths = distances.to(torch.float64)
    longest = lengths.amax(-1, keepdim=True)
    # Where all queries are equal, all gaps are; and shares of the longest neither overflow nor vanish.
    gaps = torch.where(longest > 0, lengths / longest, 1.0) ** power
    gaps = gaps.clamp(min=_LEAST_GAP * gaps.mean(-1, keepdim=True))
    reached = torch.cat([torch.zeros_like(longest), gaps.cumsum(-1)], dim=-1)
    total = reached[..., -1:]
    return (2 * reached - total) / total * (inner / (inner + 1))


NODES: dict[str, Callable[[int, int], NodeSet]] = {
    "approxifer": approxifer,
    "chebyshev": chebyshev,
    "first-kind": first_kind,
    "systematic": systematic,
    "uniform": uniform,
}
"""Kinds of node sets that are the same for all groups, by name: each takes (K, N)."""


COPIES = "copies"
"""The kind that is named with its number: `copies-4` is four copies of every query."""

_NUMBERED = re.compile(rf"{COPIES}-(0|[1-9][0-9]{{0,6}})")


def is_node_kind(kind: str) -> bool:
    """Whether there are nodes of this name, those fitted to a group included."""
    return kind in NODES or kind in FITTED_NODES or _NUMBERED.fullmatch(kind) is not None


def node_kinds() -> tuple[str, ...]:
    """Return the names of all kinds of nodes, those fitted to a group included; `copies-c` stands for every c."""
    return (*sorted((*NODES, *FITTED_NODES)), f"{COPIES}-c")


def copies_of(kind: str) -> int | None:
    """Return how many copies of every query a kind of nodes has: c of `copies-<c>`, and None for all others."""
    numbered = _NUMBERED.fullmatch(kind)
    return int(numbered[1]) if numbered else None


def node_set(kind: str, *, queries: int, workers: int) -> NodeSet:
    """Return the node set of a registered kind.

    Raises:
        ValueError: If the kind is not registered or is fitted to a group, or the counts do not suit it.
    """
    if kind in FITTED_NODES:
        raise ValueError(
            f"`nodes` must be one of {', '.join(sorted(NODES))} to be the same for all groups, "
            f"but got {kind!r}, which is fitted to a group."
        )
    number = copies_of(kind)
    if number is None and kind not in NODES:
        raise ValueError(f"`nodes` must be one of {', '.join((*sorted(NODES), f'{COPIES}-c'))}, but got {kind!r}.")
    if not (queries >= 1 and workers >= 1):
        raise ValueError(f"`queries` and `workers` must be at least 1, but got {queries} and {workers}.")
    return NODES[kind](queries, workers) if number is None else copies(queries, workers, copies=number)


def _even_points(count: int, parts: int) -> Tensor:
    """Return `count` points spaced by 2 / parts and centred on 0."""
    return torch.arange(1 - count, count, 2, dtype=torch.float64) / max(parts, 1)


def _sine_points(count: int, parts: int) -> Tensor:
    return torch.sin(torch.pi / 2 * _even_points(count, parts))


def _systematic_beta(queries: int, workers: int) -> Tensor:
    """Return the points of `systematic`, each one division of whole numbers, which makes mirrored ones exact."""
    gaps = queries - 1
    if gaps == 0:
        left, right = (workers - 1) // 2, workers // 2
        points = [-step / left for step in range(left, 0, -1)] + [step / max(right, 1) for step in range(right + 1)]
        return torch.tensor(points, dtype=torch.float64)
    each, extra = divmod(workers - queries, gaps)
    fuller = _spread(extra, gaps)
    parts = [each + 1 + (gap in fuller) for gap in range(gaps)]
    points = [((2 * gap - gaps) * n + 2 * step) / (gaps * n) for gap, n in enumerate(parts) for step in range(n)]
    return torch.tensor([*points, 1.0], dtype=torch.float64)


def _spread(count: int, places: int) -> set[int]:
    """Return `count` of the places 0, 1, …, evenly among them and, where it can be, mirrored about the middle."""
    left = {(2 * number + 1) * places // (2 * count) for number in range(count // 2)}
    middle = {(places - 1) // 2} if count % 2 else set()
    return left | middle | {places - 1 - place for place in left}
