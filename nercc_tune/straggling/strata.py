"""Ranges of straggler counts, and masks for each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nercc_tune.straggling.arrivals import Arrivals, check_masks
from nercc_tune.straggling.random_count import RandomCountModel

# Weights are sums of shares in float64, read back from text.
_WEIGHT_TOLERANCE = 1e-9
# A stratum with less than this part of an even share is not worth masks of its own.
_LEAST_PART = 0.5
# Draws a batch, and the most batches until a rare stratum makes do with what it has.
_BATCH = 1024
_MOST_BATCHES = 64


@dataclass(frozen=True, kw_only=True)
class Strata:
    """Ranges of straggler counts with their probabilities.

    Attributes:
        edges: The largest S of each stratum, ascending; stratum i holds edges[i − 1] < S ≤ edges[i].
        weights: The probability of each stratum; their sum is 1.

    Raises:
        ValueError: If the edges do not ascend from at least 0, or the weights are no probabilities of as many strata.
    """

    edges: tuple[int, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        edges, weights = self.edges, self.weights
        if not (edges and edges[0] >= 0 and all(lower < upper for lower, upper in pairwise(edges))):
            raise ValueError(f"`edges` must be one or more ascending numbers from 0 on, but got {edges}.")
        if len(weights) != len(edges):
            raise ValueError(f"`weights` must be one for each of {len(edges)} strata, but got {weights}.")
        is_law = all(weight > 0 for weight in weights) and abs(math.fsum(weights) - 1) <= _WEIGHT_TOLERANCE
        if not is_law:
            raise ValueError(f"`weights` must be positive with the sum 1, but got {weights}.")

    def of(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of the stratum of each count; those beyond the last edge are in the last stratum."""
        return np.searchsorted(self.edges[:-1], counts, side="left").astype(np.int64)


def _choose_edges(values: NDArray[np.int64], tally: NDArray[np.int64], *, most: int) -> list[int]:
    """Close a stratum where its tally is nearest to an even share of what is left."""
    least = _LEAST_PART * tally.sum() / most
    edges: list[int] = []
    left, inside = int(tally.sum()), 0
    for value, here, following in zip(values[:-1], tally[:-1], tally[1:], strict=True):
        inside += int(here)
        share = left / (most - len(edges))
        if inside >= least and abs(inside - share) <= abs(inside + following - share):
            edges.append(int(value))
            left, inside = left - inside, 0
    last = int(values[-1])
    return [*edges[:-1], last] if edges and left < least else [*edges, last]


def make_strata(counts: NDArray[np.int64], *, most: int) -> Strata:
    """Bin a sample of straggler counts into at most so many strata of nearly equal probability.

    Each edge is an observed count and the last one the largest. Equal counts stay together, so that fewer strata come
    out where a count is frequent; one with less than half of an even share is merged with its neighbour.

    Args:
        counts: [draws] straggler counts S.
        most: The largest number of strata.

    Raises:
        ValueError: If there are no counts, one is negative, or not most ≥ 1.
    """
    if not (counts.ndim == 1 and counts.size and np.issubdtype(counts.dtype, np.integer) and counts.min() >= 0):
        raise ValueError(f"`counts` must be one or more whole numbers from 0 on, but got {counts}.")
    if not most >= 1:
        raise ValueError(f"`most` must be at least 1, but got {most}.")
    values, tally = np.unique(counts, return_counts=True)
    edges = _choose_edges(values, tally, most=most)
    inside = np.bincount(np.searchsorted(edges, counts), minlength=len(edges))
    return Strata(edges=tuple(edges), weights=tuple((inside / counts.size).tolist()))


def reach(strata: Strata, largest: int) -> Strata:
    """Let the last stratum reach up to a count that is larger than those the strata were made from."""
    return replace(strata, edges=(*strata.edges[:-1], max(strata.edges[-1], largest)))


def merge(strata: Strata, occurs: NDArray[np.bool_]) -> Strata:
    """Merge each stratum that does not occur with a neighbour, until all that are left do.

    It goes to the lighter one of its neighbours, so that weights stay as even as they can be.

    Args:
        strata: The strata.
        occurs: [strata] whether there are masks of each; of one at least.
    """
    parts = [
        [edge, weight, bool(here)] for edge, weight, here in zip(strata.edges, strata.weights, occurs, strict=True)
    ]
    while len(parts) > 1 and not all(here for _, _, here in parts):
        at = next(at for at, (_, _, here) in enumerate(parts) if not here)
        neighbours = [near for near in (at - 1, at + 1) if 0 <= near < len(parts)]
        low, high = sorted((at, min(neighbours, key=lambda near: parts[near][1])))
        both = [parts[high][0], parts[low][1] + parts[high][1], parts[low][2] or parts[high][2]]
        parts[low : high + 1] = [both]
    return Strata(edges=tuple(int(edge) for edge, _, _ in parts), weights=tuple(weight for _, weight, _ in parts))


def occurring(model: RandomCountModel, strata: Strata, *, seed: int) -> NDArray[np.bool_]:
    """Return [strata] which strata have a mask among the draws from which `stratified` takes its masks."""
    occurs = np.zeros(len(strata.edges), dtype=np.bool_)
    for batch in _draw_batches(model, seed=seed):
        occurs[strata.of(batch.stragglers)] = True
        if occurs.all():
            break
    return occurs


def _draw_batches(model: RandomCountModel, *, seed: int) -> Iterator[Arrivals]:
    # Batches of a finite model would repeat each other: all it has is one batch.
    batches, masks = (_MOST_BATCHES, _BATCH) if model.limit is None else (1, model.limit)
    for batch in range(batches):
        derived = int(np.random.SeedSequence([seed, batch]).generate_state(1)[0])
        yield model.draw(masks=masks, seed=derived)


def _join(parts: list[Arrivals]) -> Arrivals:
    waiting = [part.waiting for part in parts if part.waiting is not None]
    return Arrivals(
        arrived=np.concatenate([part.arrived for part in parts]),
        waiting=np.concatenate(waiting) if waiting else None,
    )


def _select(arrivals: Arrivals, rows: NDArray[np.int64]) -> Arrivals:
    waiting = None if arrivals.waiting is None else arrivals.waiting[rows]
    return Arrivals(arrived=arrivals.arrived[rows], waiting=waiting)


def stratified(model: RandomCountModel, strata: Strata, *, masks: int, seed: int) -> tuple[Arrivals, ...]:
    """Draw up to M masks of every stratum: from the model's law, given that S is in the stratum.

    Draws of the model are sorted into the strata until each has M masks, the model has no more, or a bounded number of
    draws is used up; a stratum that is rare then has fewer than M. With more masks, the first ones stay the same.

    Returns:
        The arrivals of each stratum; weighted with `strata.weights` their means are those of the model.

    Raises:
        ValueError: If a stratum never occurred, or not masks ≥ 1.
    """
    check_masks(masks)
    found: list[list[Arrivals]] = [[] for _ in strata.edges]
    missing = np.full(len(strata.edges), masks)
    draws = 0
    for batch in _draw_batches(model, seed=seed):
        draws += len(batch.arrived)
        index = strata.of(batch.stragglers)
        for stratum in np.unique(index):
            rows = np.flatnonzero(index == stratum)[: missing[stratum]]
            if rows.size:
                found[stratum].append(_select(batch, rows))
                missing[stratum] -= rows.size
        if not missing.any():
            break
    for stratum, parts in enumerate(found):
        if not parts:
            lowest = strata.edges[stratum - 1] + 1 if stratum else 0
            raise ValueError(
                f"`strata` must each occur under the straggler model, but {lowest} to {strata.edges[stratum]} "
                f"stragglers did not in {draws} draws."
            )
    return tuple(_join(parts) for parts in found)
