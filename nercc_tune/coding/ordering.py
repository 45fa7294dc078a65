"""Which query of a group goes to which query node: neighbours that are alike make an easy curve to smooth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Features = Callable[[Tensor], Tensor]
"""What describes queries [K, ...] by rows [K, d] whose Euclidean distances say how unlike they are."""

# Images beyond this size are pooled: their distances hardly change, and an order must be found while serving.
_POOLED_SIDE = 16
# Greedy tours are cheap and begin everywhere in a group of usual size; the best few are made shorter still.
_STARTS = 64
_POLISHED = 3
_LONGEST_MOVED = 3
# Tours end by themselves after about a third of a move for each query; the bounds are for serving, where time counts
# more than a perfect order. A move looks at each pair of queries: this product is a second or two.
_MOST_MOVES_EACH = 10
_MOST_PAIRS = 200_000_000
# A move must gain more than the rounding of four distances, or moves could undo each other for ever.
_LEAST_GAIN = 1e-12


def query_features(queries: Tensor) -> Tensor:
    """Describe queries by their own values, images by values averaged over at most 16 × 16 equal parts.

    Args:
        queries: [K, ...]; [K, C, H, W] or [K, H, W] with H or W above 16 is taken for images.

    Returns:
        [K, d] float32 on the device of the queries.
    """
    values = queries.detach().to(torch.float32)
    if values.ndim in (3, 4) and max(values.shape[-2:]) > _POOLED_SIDE:
        height, width = values.shape[-2:]
        values = functional.adaptive_avg_pool2d(values, (min(height, _POOLED_SIDE), min(width, _POOLED_SIDE)))
    return values.flatten(1) if values.ndim > 1 else values[:, None]


def group_features(queries: Tensor, features: Features | None = None) -> Tensor:
    """Return the checked description [K, d] float64 on the CPU of a group's queries [K, ...].

    Raises:
        ValueError: If there is no query, or the features are not [K, d] or not finite.
    """
    if queries.ndim == 0 or len(queries) == 0:
        raise ValueError(f"`queries` must hold at least one query, but got shape {tuple(queries.shape)}.")
    described = (features or query_features)(queries).detach()
    if described.ndim != 2 or len(described) != len(queries) or described.shape[1] == 0:
        raise ValueError(
            f"`features` must give shape [{len(queries)}, d] for {len(queries)} queries, "
            f"but got {tuple(described.shape)}."
        )
    described = described.to(device="cpu", dtype=torch.float64)
    if not bool(described.isfinite().all()):
        raise ValueError("`features` must be finite, but got a value that is not.")
    return described


def order_queries(kind: str, queries: Tensor, *, features: Features | None = None) -> Tensor:
    """Return which query of a group sits at which query node; the same queries always get the same order.

    Args:
        kind: A name in `ORDERINGS`; `arrival` does not look at the queries.
        queries: [K, ...].
        features: Describes the queries as [K, d], in place of `query_features`.

    Returns:
        [K] int64 on the CPU: entry i is the number of the query at the i-th node α.

    Raises:
        ValueError: If the kind is unknown, there is no query, or the features are not [K, d] or not finite.

    Example:
        >>> order_queries("nearest-neighbour", torch.tensor([[3.0], [0.0], [2.0], [1.0]]))
        tensor([0, 2, 3, 1])
    """
    if kind not in ORDERINGS:
        raise ValueError(f"`ordering` must be one of {', '.join(sorted(ORDERINGS))}, but got {kind!r}.")
    if kind == "arrival" and queries.ndim > 0 and len(queries) > 0:
        return torch.arange(len(queries))
    return torch.from_numpy(ORDERINGS[kind](group_features(queries, features).numpy()))


def _arrival(features: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.arange(len(features), dtype=np.int64)


def _projection(features: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort by the first principal component, whose largest entry is made positive: it has no sign of its own."""
    centred = features - features.mean(0)
    component = np.linalg.eigh(centred @ centred.T).eigenvectors[:, -1]
    component *= np.sign(component[np.abs(component).argmax()])
    return component.argsort(kind="stable").astype(np.int64, copy=False)


def _nearest_neighbour(features: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a short open tour: of the polished greedy tours the shortest, from its query of the lower number.

    Reference:
        Croes, A method for solving traveling-salesman problems (1958), for 2-opt; Or, Traveling salesman-type
        combinatorial problems (1976), for moved segments.
    """
    distances = _distances(features)
    tours = _greedy_tours(distances)
    by_length = _lengths(distances, tours).argsort(kind="stable")[:_POLISHED]
    polished = np.stack([_polished(distances, tour) for tour in tours[by_length]])
    best: NDArray[np.int64] = polished[_lengths(distances, polished).argmin()]
    return best if best[0] <= best[-1] else best[::-1].copy()


def _distances(features: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = features - features.mean(0)
    products = centred @ centred.T
    squares = products.diagonal()
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0.0))
    np.fill_diagonal(distances, 0.0)
    return distances


def _lengths(distances: NDArray[np.float64], tours: NDArray[np.int64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = distances[tours[:, 1:], tours[:, :-1]].sum(1)
    return lengths


def _greedy_tours(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return tours [starts, K] that go on to the nearest query not yet visited, all starts in step."""
    queries = len(distances)
    count = min(queries, _STARTS)
    starts = np.arange(count) * queries // count
    rows = np.arange(len(starts))
    visited = np.zeros((len(starts), queries))
    tours = np.empty((queries, len(starts)), dtype=np.int64)
    tours[0] = starts
    for step in range(1, queries):
        visited[rows, tours[step - 1]] = np.inf
        tours[step] = (distances[tours[step - 1]] + visited).argmin(1)
    return tours.T


def _polished(distances: NDArray[np.float64], tour: NDArray[np.int64]) -> NDArray[np.int64]:
    """Make the best 2-opt move, or where none gains the best Or-opt move, until neither gains.

    A query at distance 0 from all others stands at both ends: so the open tour is a closed one, and its ends move
    like any other part of it.
    """
    queries = len(tour)
    padded = np.pad(distances, (0, 1))
    least = _LEAST_GAIN * distances.max()
    path = np.concatenate([[queries], tour, [queries]])
    for _ in range(min(_MOST_MOVES_EACH * queries, _MOST_PAIRS // queries**2)):
        between = padded.take(path, 0).take(path, 1)
        shorter = _with_part_reversed(path, between, least)
        if shorter is None:
            shorter = _with_part_moved(path, between, least)
        if shorter is None:
            break
        path = shorter
    return path[1:-1]


def _with_part_reversed(
    path: NDArray[np.int64], between: NDArray[np.float64], least: float
) -> NDArray[np.int64] | None:
    """Return the path with the part between two of its steps reversed that gains most, if any gains.

    Args:
        path: [K + 2] with the far query at both ends.
        between: [K + 2, K + 2], distances in the order of the path.
        least: What a move must gain.
    """
    steps = between.diagonal(1)
    change = between[:-1, :-1] + between[1:, 1:]
    change -= steps
    change -= steps[:, None]
    np.fill_diagonal(change, 0.0)
    best = int(change.argmin())
    if not change.flat[best] < -least:
        return None
    before, last = sorted(divmod(best, len(steps)))
    shorter = path.copy()
    shorter[before + 1 : last + 1] = path[before + 1 : last + 1][::-1]
    return shorter


def _with_part_moved(path: NDArray[np.int64], between: NDArray[np.float64], least: float) -> NDArray[np.int64] | None:
    """Return the path with the segment of 1 to 3 queries moved, turned or not, that gains most, if any gains."""
    queries = len(path) - 2
    steps = between.diagonal(1)
    gain, found = least, None
    for length in range(1, min(_LONGEST_MOVED, queries - 1) + 1):
        firsts, lasts = between[1 : queries - length + 2], between[length : queries + 1]
        freed = steps[: queries - length + 1] + steps[length:] - between.diagonal(length + 1)
        gains = freed[:, None] + steps
        # The segment in row r starts at r + 1 and cannot go into the steps r to r + length, which it takes part in.
        for step in range(length + 1):
            gains.reshape(-1)[step :: queries + 2] = -np.inf
        for head, tail, turn in ((firsts, lasts, 1), (lasts, firsts, -1)):
            gained = gains - head[:, :-1] - tail[:, 1:]
            best = int(gained.argmax())
            if gained.flat[best] > gain:
                row, target = divmod(best, len(steps))
                gain, found = float(gained.flat[best]), (row + 1, length, target, turn)
    if found is None:
        return None
    start, length, target, turn = found
    rest = np.delete(path, slice(start, start + length))
    after = target + 1 if target < start else target + 1 - length
    return np.insert(rest, after, path[start : start + length][::turn])


ORDERINGS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.int64]]] = {
    "arrival": _arrival,
    "nearest-neighbour": _nearest_neighbour,
    "projection": _projection,
}
"""Kinds of orderings by name: each takes the features [K, d] of a group to which query sits at which node [K]."""
