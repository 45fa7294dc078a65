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

RANGES = (0.5, 1.0, 2.0, 4.0)
NUGGETS = (1e-4, 1e-2, 1e-1)
TEMPERATURES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
WEIGHTS = (0.3, 0.6, 0.8, 1.0)
RIDGES = (0.0, 1e-2, 1e-1)
_START_NUGGET = 1e-3
_START_RIDGE = 1e-3
_STEPS = (2.0, 2**0.5)  # by which the best range of the grid is refined, both ways

# What one kernel may cost while kernels are compared: estimates, and products of a factorisation. All masks and groups
# score the best of them.
_ESTIMATES = 2**19
_PRODUCTS = 4e7
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
        start: For measured moments: the best kernel without them, which these are shrunk towards; where it is given,
            kriging is an option of its own, and the moments have a share. It is looked for by default.

    Returns:
        The kernel, and its score on all masks and groups.
    """
    rank = _ranking(decoder, answers, truth, goal)
    if decoder.folds:
        plain = replace(decoder, folds=())
        structure = start or _structure(_ranking(plain, answers, truth, goal), is_noisy=decoder.is_noisy)
        best = _mixture(rank, structure, is_noisy=decoder.is_noisy, may_be_plain=start is None)
    else:
        best = _structure(rank, is_noisy=decoder.is_noisy)
    if truth.decode_space == "logits-softmax":
        best = _least(rank, [replace(best, temperature=value) for value in TEMPERATURES])
    return best, measure(decoder.prepare(answers).estimates(best), truth).score()


def _ranking(decoder: KrigingDecoder, answers: Tensor, truth: Truth, goal: Goal) -> Callable[[Kernel], Rank]:
    """Return what kernels are compared by: the goal on a share of the masks and groups."""
    masks = _share(len(decoder.arrived), _masks_at_most(decoder, truth))
    thin, groups = decoder.thinned(masks, min(_GROUPS, len(answers)))
    thin = replace(thin, arrived=_with_losses(thin))
    decoding, part = thin.prepare(answers[groups]), truth.part(groups)

    @cache
    def rank(kernel: Kernel) -> Rank:
        if goal.is_error:
            return (mean_error(decoding.estimates(kernel), part, goal.error),)
        return goal.rank(measure(decoding.estimates(kernel), part).score())

    return rank


def _structure(rank: Callable[[Kernel], Rank], *, is_noisy: bool) -> Kernel:
    nugget = _START_NUGGET if is_noisy else 0.0
    smooth = [Kernel(smoothness=nu, range=at, nugget=nugget) for nu in SMOOTHNESSES for at in RANGES]
    best = _least(rank, [Kernel(range=0.0, nugget=nugget), *smooth])
    if is_noisy:
        best = _least(rank, [best, *(replace(best, nugget=value) for value in NUGGETS)])
    for step in _STEPS:
        best = _least(rank, [best, *(replace(best, range=best.range * factor) for factor in (1 / step, step))])
    return best


def _mixture(rank: Callable[[Kernel], Rank], structure: Kernel, *, is_noisy: bool, may_be_plain: bool) -> Kernel:
    best = replace(structure, temperature=0.0, ridge=_START_RIDGE if is_noisy else 0.0)
    plain = [replace(structure, temperature=0.0)] if may_be_plain else []
    best = _least(rank, [*plain, *(replace(best, weight=value) for value in WEIGHTS)])
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
