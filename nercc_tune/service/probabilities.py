"""From what workers answer, and what decoders estimate, to probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from nercc_tune.records import DecodeSpace, OutputKind

__all__ = ["from_decode_space", "onto_simplex", "to_decode_space", "to_probabilities"]

_LEAST = torch.finfo(torch.float32).tiny  # whose logarithm a probability of 0 is given, as while tuning


def to_probabilities(answers: Tensor, kind: OutputKind) -> Tensor:
    """Return the probabilities [..., c] that a model's outputs [..., c] mean."""
    return answers if kind == "probabilities" else answers.softmax(-1)


def to_decode_space(answers: Tensor, space: DecodeSpace, kind: OutputKind) -> Tensor:
    """Return a model's outputs [..., c] as a decoder of a space reads them."""
    if space == "probabilities":
        return to_probabilities(answers, kind)
    return answers.clamp_min(_LEAST).log() if kind == "probabilities" else answers


def from_decode_space(estimates: Tensor, space: DecodeSpace) -> Tensor:
    """Return the probabilities [..., c] that estimates [..., c] in a space mean.

    Those of logits are their softmax. Estimates of probabilities may be negative, or not add up to 1; they are replaced
    by the nearest that are probabilities.
    """
    return onto_simplex(estimates) if space == "probabilities" else estimates.softmax(-1)


def onto_simplex(values: Tensor) -> Tensor:
    """Return the nearest probabilities [..., c] to each row [..., c] of finite values.

    They are `max(x − τ, 0)` with the τ for which they add up to 1, found by Newton's method from below. No
    probabilities are farther from them than from the row itself, so that no estimate gets worse; larger values stay
    larger, so that the label stays.

    Reference:
        Condat, Fast projection onto the simplex and the ℓ1 ball, Mathematical Programming 158 (2016), for the formula
        and the methods.
    """
    below = values - values.amax(-1, keepdim=True)  # at most 0, so that nothing large is taken from something large
    threshold = ((below.sum(-1, keepdim=True) - 1) / values.shape[-1]).clamp_min(-1)
    fewest = torch.full_like(threshold, torch.inf)
    while True:
        left = (below - threshold).clamp_min_(0)
        count = left.sign().sum(-1, keepdim=True)
        if bool((count >= fewest).all()):
            return left
        fewest = count
        threshold = threshold + (left.sum(-1, keepdim=True) - 1) / count
