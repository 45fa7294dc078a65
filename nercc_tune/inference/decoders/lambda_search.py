"""The best λ_dec on outputs that are there: a coarse grid, then a refinement around its best point."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_REFINEMENTS = 3
_POINTS = 9
_DIGITS = 3

_GOLDEN = (math.sqrt(5) - 1) / 2
_SECTIONS = 8  # each shrinks the bracket by the golden ratio: a decade to 2 % of it, 5 % in λ

Rank = tuple[float, ...]


def minimise_curve(curve: Callable[[Tensor], Tensor], grid: Sequence[float]) -> tuple[float, tuple[float, ...]]:
    """Minimise a mean error that is cheap at many λ at once.

    Args:
        curve: The mean error [L] at each λ of [L].
        grid: λ values, ascending from 0; between neighbours of the best one the minimum is refined.

    Returns:
        The best λ to three digits (0 where nothing beats it), and the mean error at each λ of the grid.
    """
    coarse = torch.tensor(grid, dtype=torch.float64)
    profile = curve(coarse)
    low, high = _bracket(grid, int(profile.argmin()))
    for _ in range(_REFINEMENTS):
        fine = torch.linspace(low, high, _POINTS, dtype=torch.float64)
        at = int(curve(10**fine).argmin())
        low, high = float(fine[max(at - 1, 0)]), float(fine[min(at + 1, _POINTS - 1)])
    points = torch.linspace(low, high, _POINTS, dtype=torch.float64)
    candidates = [0.0, *(_rounded(10.0 ** float(point), grid) for point in points)]
    values = curve(torch.tensor(candidates, dtype=torch.float64))
    return candidates[int(values.argmin())], tuple(profile.tolist())


def minimise_rank(rank: Callable[[float], Rank], grid: Sequence[float]) -> float:
    """Minimise what can be evaluated at one λ at a time, to about 5 % in λ: the grid, then golden sections.

    Args:
        rank: A key at a λ, the least of which is the best.
        grid: As for `minimise_curve`.

    Returns:
        The best of all λ that were tried, the smaller of equals.
    """
    found: dict[float, Rank] = {smoothing: rank(smoothing) for smoothing in grid}

    def at(exponent: float) -> Rank:
        smoothing = _rounded(10.0**exponent, grid)
        if smoothing not in found:
            found[smoothing] = rank(smoothing)
        return found[smoothing]

    best = min(range(len(grid)), key=lambda index: found[grid[index]])
    low, high = _bracket(grid, best)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    for _ in range(_SECTIONS):
        if at(left) <= at(right):
            high, right = right, left
            left = high - _GOLDEN * (high - low)
        else:
            low, left = left, right
            right = low + _GOLDEN * (high - low)
    return min(sorted(found), key=lambda smoothing: found[smoothing])


def _bracket(grid: Sequence[float], best: int) -> tuple[float, float]:
    """Return the exponents of the positive neighbours of a grid point."""
    positive = [math.log10(smoothing) for smoothing in grid[1:]]
    low, high = (positive[min(max(at, 0), len(positive) - 1)] for at in (best - 2, best))
    return low, high


def _rounded(smoothing: float, grid: Sequence[float]) -> float:
    return min(max(float(f"{smoothing:.{_DIGITS - 1}e}"), grid[1]), grid[-1])
