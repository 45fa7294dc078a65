"""The best value of a decoder's parameter, for a goal, on answers that are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch

from nercc_tune.inference.decoders.decoder import Decoding, ErrorCurve
from nercc_tune.inference.decoders.lambda_search import minimise_curve, minimise_rank
from nercc_tune.inference.metrics import Truth, mean_error, measure
from nercc_tune.records import Goal, Score


def best_parameter(
    decoding: Decoding, truth: Truth, goal: Goal, grid: Sequence[float]
) -> tuple[float, Score, tuple[float, ...]]:
    """Find the value that is best for a goal.

    Args:
        decoding: The answers, prepared.
        truth: The uncoded outputs, in the order of the estimates.
        goal: What is optimised.
        grid: Values, ascending from 0; between neighbours of the best one the optimum is refined.

    Returns:
        The value, its score, and the goal's squared error at each value of the grid.
    """

    @cache
    def error_at(value: float) -> float:
        return mean_error(decoding.estimates(value), truth, goal.error)

    @cache
    def score_at(value: float) -> Score:
        return measure(decoding.estimates(value), truth).score()

    curve = _curve(decoding, truth, goal)
    if curve is not None:
        best, profile = minimise_curve(lambda values: curve(values).mean(0), grid)
        return best, score_at(best), profile
    if goal.is_error:
        best = minimise_rank(lambda value: (error_at(value),), grid)
        return best, score_at(best), tuple(error_at(value) for value in grid)
    best = minimise_rank(lambda value: goal.rank(score_at(value)), grid)
    return best, score_at(best), tuple(goal.error_of(score_at(value)) for value in grid)


def profile_of(decoding: Decoding, truth: Truth, goal: Goal, grid: Sequence[float]) -> tuple[float, ...]:
    """Return the goal's squared error at each value of a grid."""
    curve = _curve(decoding, truth, goal)
    if curve is not None:
        return tuple(curve(torch.tensor(grid, dtype=torch.float64)).mean(0).tolist())
    return tuple(goal.error_of(measure(decoding.estimates(value), truth).score()) for value in grid)


def _curve(decoding: Decoding, truth: Truth, goal: Goal) -> ErrorCurve | None:
    """Return the MSE of each mask, where its least is what the goal is after and it can be had without decoding."""
    is_its_error = goal.is_error and (goal.error == "mse" or truth.decode_space == "probabilities")
    return decoding.error_curve(truth) if is_its_error else None
