"""The best kernel of a kriging or calibrated decoder, on answers that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from nercc_tune.inference.decoders.kriging import KrigingDecoder
from nercc_tune.inference.metrics import Truth, mean_error, measure
from nercc_tune.records import SMOOTHNESSES, Goal, Kernel, Score

__all__ = ["best_kernel"]

RANGES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
NUGGETS = (1e-4, 1e-3, 1e-2, 1e-1, 0.5)
TEMPERATURES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
WEIGHTS = (0.0, 0.3, 0.6, 0.8, 0.95, 1.0)
RIDGES = (0.0, 1e-3, 1e-2, 1e-1)
_START_NUGGET = 1e-3
_FINER = 2**0.5

# What one kernel may cost while kernels are compared: estimates, and products of a factorisation. All masks and groups
# score the best of them.
_ESTIMATES = 2**20
_PRODUCTS = 6e7
_GROUPS = 20
_FEWEST_MASKS = 8

# Where few stragglers lose all copies of hardly any query, the masks say next to nothing of how a lost one is best
# repaired; so while kernels are compared, as many more are lost as make this share of all queries.
_LOST = 0.1
_SEED = 0

Rank = tuple[float, ...]


def best_kernel(
    decoder: KrigingDecoder, answers: Tensor, truth: Truth, goal: Goal, *, start: Kernel | None = None
) -> tuple[Kernel, Score]:
    """Find the kernel that is best for a goal: one parameter after the other on an even share of masks and groups.

    Args:
        decoder: Of all masks.
        answers: [G, N, c] in the decode space.
        truth: The uncoded outputs, in the order of the estimates.
        goal: What is optimised.
        start: For measured moments: the best kernel without them, which these are shrunk towards.

    Returns:
        The kernel, and its score on all masks and groups.
    """
    masks = _share(len(decoder.arrived), _masks_at_most(decoder, truth))
    thin, groups = decoder.thinned(masks, min(_GROUPS, len(answers)))
    thin = replace(thin, arrived=_with_losses(thin))
    decoding, part = thin.prepare(answers[groups]), truth.part(groups)

    @cache
    def rank(kernel: Kernel) -> Rank:
        if goal.is_error:
            return (mean_error(decoding.estimates(kernel), part, goal.error),)
        return goal.rank(measure(decoding.estimates(kernel), part).score())

    is_sharpened = truth.decode_space == "logits-softmax"
    if decoder.folds:
        best = _mixture(rank, start or Kernel(range=1.0, nugget=_START_NUGGET), is_noisy=decoder.is_noisy)
    else:
        best = _structure(rank, is_noisy=decoder.is_noisy)
    if is_sharpened:
        best = _least(rank, [replace(best, temperature=value) for value in TEMPERATURES])
    return best, measure(decoder.prepare(answers).estimates(best), truth).score()


def _structure(rank: Callable[[Kernel], Rank], *, is_noisy: bool) -> Kernel:
    nugget = _START_NUGGET if is_noisy else 0.0
    smooth = [Kernel(smoothness=nu, range=at, nugget=nugget) for nu in SMOOTHNESSES for at in RANGES[1:]]
    best = _least(rank, [Kernel(range=0.0, nugget=nugget), *smooth])
    if is_noisy:
        best = _least(rank, [best, *(replace(best, nugget=value) for value in NUGGETS)])
    return _least(rank, [best, *(replace(best, range=best.range * step) for step in (1 / _FINER, _FINER))])


def _mixture(rank: Callable[[Kernel], Rank], structure: Kernel, *, is_noisy: bool) -> Kernel:
    best = replace(structure, ridge=RIDGES[1] if is_noisy else 0.0)
    best = _least(rank, [structure, *(replace(best, weight=value) for value in WEIGHTS)])
    if is_noisy and best.weight > 0:
        best = _least(rank, [best, *(replace(best, ridge=value) for value in RIDGES)])
    return best


def _least(rank: Callable[[Kernel], Rank], kernels: Sequence[Kernel]) -> Kernel:
    """Return the best of several kernels, the first of equals."""
    return min(kernels, key=rank)


def _masks_at_most(decoder: KrigingDecoder, truth: Truth) -> int:
    estimates = min(_GROUPS, len(truth.labels)) * truth.outputs[0].numel()
    products = float(decoder.arrived.sum(-1).max()) ** 3 * max(1, len(decoder.folds))
    return max(_FEWEST_MASKS, int(min(_ESTIMATES / estimates, _PRODUCTS / products)))


def _with_losses(decoder: KrigingDecoder) -> Tensor:
    """Return the masks [M, P] of a decoder that has exact copies, with more queries lost where too few are."""
    arrived, copied = decoder.arrived, decoder.sites.on_query
    if not decoder.has_copies or not bool((copied >= 0).all()):
        return arrived
    lost = float((~arrived[:, copied]).to(torch.float64).mean())
    if lost >= _LOST:
        return arrived
    generator = torch.Generator().manual_seed(_SEED)
    is_more = torch.rand(len(arrived), len(copied), generator=generator) < (_LOST - lost) / (1 - lost)
    fewer = arrived.clone()
    fewer[:, copied] &= ~is_more
    return torch.where(fewer.any(-1, keepdim=True), fewer, arrived)


def _share(count: int, most: int) -> Tensor:
    """Return at most so many of the numbers below `count`, evenly among them."""
    kept = min(count, most)
    return torch.arange(kept) * count // kept
