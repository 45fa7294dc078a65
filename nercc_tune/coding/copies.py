"""Copies of one coded query, which should give one answer, and those that more of the others contradict."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["outvoted", "votes_of"]


def votes_of(rank: Tensor, answers: Tensor, *, limit: float, unusable: Tensor) -> Tensor:
    """Return how many of the copies at their node agree with answers, [M, G, F]: these themselves, and others near.

    Args:
        rank: [M, F] at which of the distinct nodes of those that arrived each worker sits, ascending.
        answers: [M, G, F, c] float64, finite.
        limit: The largest squared distance of answers that agree.
        unusable: [M, G, F] bool, answers that have no vote.
    """
    usable, votes = ~unusable, (~unusable).to(torch.int64)
    for offset in range(1, rank.shape[-1]):
        is_copy = (rank[:, offset:] == rank[:, :-offset]).to(answers.device)
        if not bool(is_copy.any()):  # ranks ascend, so that none farther off is one either
            break
        apart = (answers[:, :, offset:] - answers[:, :, :-offset]).square().sum(-1)
        agree = is_copy[:, None] & usable[..., offset:] & usable[..., :-offset] & (apart <= limit)
        votes[..., offset:] += agree
        votes[..., :-offset] += agree
    return votes


def outvoted(rank: Tensor, votes: Tensor) -> Tensor:
    """Return which answers are outvoted, [M, G, F] bool: more of the copies at their node agree on another one.

    Where as many say one thing as another nobody can tell who is wrong, and nobody is outvoted; nor is a copy that has
    no others.

    Args:
        rank: As of `votes_of`.
        votes: [M, G, F] from there, 0 for answers that are not looked at.
    """
    node = rank.to(votes.device)[:, None].expand_as(votes)
    most = torch.zeros_like(votes).scatter_reduce(-1, node, votes, "amax")
    return (votes > 0) & (votes < most.gather(-1, node))
