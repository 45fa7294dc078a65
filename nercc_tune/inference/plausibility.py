"""Whether the plain outputs of a model look like those of a classifier that was given what it was trained on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nercc_tune.workloads import Workload
from nercc_tune.workloads.output_check import are_probabilities

__all__ = ["describe_implausible"]

_NORMAL_95 = 1.959964
# A pixel from 0 to 1, normalised by a mean and a std, stays within 1 / std, and no data set has a std below 0.05.
_FARTHEST = 20.0
_FEWEST_PIXELS = 64
_BYTES = 255
# Equal outputs differ by the rounding of float32 at most.
_EQUAL = 1e-6


def describe_implausible(workload: Workload, queries: Tensor, outputs: Tensor, labels: Tensor) -> str | None:
    """Return one sentence on all that cannot be right about plain queries and their outputs, or None.

    Args:
        workload: What was run.
        queries: [n, …].
        outputs: [n, c], as the model gives them.
        labels: [n].
    """
    found = [
        _look_at_queries(queries),
        _look_at_values(workload, outputs),
        None if _are_constant(outputs) else _look_at_accuracy(workload, outputs, labels),
    ]
    told = "; ".join(filter(None, found))
    return f"the plain outputs are implausible, so the figures may mean nothing: {told}." if told else None


def _look_at_queries(queries: Tensor) -> str | None:
    low, high = float(queries.min()), float(queries.max())
    is_image = queries.ndim > 2
    if not is_image:  # vectors may hold anything, but not by chance nothing but bytes
        is_bytes = low >= 0 and _BYTES / 2 < high <= _BYTES and bool((queries == queries.round()).all())
        is_image = is_bytes and queries.shape[1] >= _FEWEST_PIXELS
    if not is_image or max(-low, high) <= _FARTHEST:
        return None
    return (
        f"the queries reach from {low:.4g} to {high:.4g}, where prepared images stay within ±{_FARTHEST:g} "
        f"(are they pixels that nothing has divided by {_BYTES}?)"
    )


def _look_at_values(workload: Workload, outputs: Tensor) -> str | None:
    if _are_constant(outputs):
        return f"all {len(outputs)} queries get the same outputs (does the model look at them?)"
    if workload.output_kind == "probabilities":
        return None
    if are_probabilities(outputs):
        return (
            "the outputs already are probabilities, and get a second softmax "
            '(set `workload.outputs = "probabilities"`, or serve the model without its softmax)'
        )
    if outputs.shape[1] > 1 and bool(((outputs >= 0) & (outputs <= 1)).all()):
        return (
            "all outputs lie between 0 and 1, as after a sigmoid (serve the model without it, so that it gives logits)"
        )
    return None


def _are_constant(outputs: Tensor) -> bool:
    return len(outputs) > 1 and bool((outputs - outputs[0]).abs().max() <= _EQUAL * outputs.abs().max())


def _look_at_accuracy(workload: Workload, outputs: Tensor, labels: Tensor) -> str | None:
    """Compare the accuracy with chance: 1 / classes, or the share of the commonest label where there are several.

    Few queries prove nothing, so the 95 % interval must not only reach down to chance, but also end nearer to it than
    to 1. A model with random weights is there for speed alone.
    """
    if workload.weights_source == "random" or outputs.shape[1] < 2:
        return None
    hits, count = int((outputs.argmax(-1) == labels).sum()), len(labels)
    commonest = int(torch.bincount(workload.data.labels).max()) / len(workload.data)
    chance, what = 1 / outputs.shape[1], f"of guessing among {outputs.shape[1]} outputs"
    if chance < commonest < 1:
        chance, what = commonest, "of always naming the commonest label"
    low, high = _interval(hits, count)
    if low > chance or high >= (1 + chance) / 2:
        return None
    return (
        f"the uncoded accuracy {hits / count:.1%} [{low:.1%}, {high:.1%}] on {count} queries may be the {chance:.1%} "
        f"{what} (other weights, labels in another order, or pixels that are divided by {_BYTES} or normalised twice "
        f"or not at all?)"
    )


def _interval(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, which holds for few queries and near 0 and 1 as well."""
    square = _NORMAL_95**2
    centre = (hits + square / 2) / (count + square)
    reach = _NORMAL_95 / (count + square) * math.sqrt(hits * (count - hits) / count + square / 4)
    return centre - reach, centre + reach
