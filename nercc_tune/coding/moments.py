"""Second moments of outputs and answers along the nodes: measured ones, those of a kernel, and mixtures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding.kept_values import as_kept, digest_of
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.records import Kernel
from nercc_tune.splines.coinciding import ranks

__all__ = ["Moments", "Sites", "kernel_moments", "measure_moments", "mix"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sites:
    """Where a decoder reads answers and wants outputs, in gaps between queries: the query at α_k sits at k.

    Workers whose β coincide give one answer, which they share.

    Attributes:
        queries: [K] 0, 1, … K − 1.
        answers: [P] ascending, of the P distinct β; between queries by the share of the gap, and beyond them by the
            gap at the end.
        rank: [N] which of the P a worker is at.
        on_query: [K] which of the P lies on the query, −1 for none.
    """

    queries: Tensor
    answers: Tensor
    rank: Tensor
    on_query: Tensor

    @classmethod
    def of(cls, nodes: NodeSet) -> Sites:
        """Return the sites of nodes that all groups share.

        Raises:
            ValueError: If α is fitted to each group.
        """
        count = nodes.queries
        rank = ranks(nodes.beta)
        distinct = nodes.beta.new_zeros(int(rank[-1]) + 1).scatter_(0, rank, nodes.beta)
        queries = torch.arange(count, dtype=torch.float64)
        if count == 1:
            answers = distinct - nodes.alpha
        else:
            left = (torch.searchsorted(nodes.alpha, distinct, right=True) - 1).clamp(0, count - 2)
            start, end = nodes.alpha[left], nodes.alpha[left + 1]
            answers = left + (distinct - start) / (end - start)
        is_on = distinct == nodes.alpha[:, None]
        on_query = torch.where(is_on.any(1), is_on.to(torch.int64).argmax(1), -1)
        answers = answers.clone()
        answers[on_query[on_query >= 0]] = queries[on_query >= 0]  # where the division rounds
        return cls(queries=queries, answers=answers, rank=rank, on_query=on_query)

    def distinct(self, answers: Tensor) -> Tensor:
        """Return the answers [G, N, c] of all workers at the distinct nodes, [G, P, c].

        Workers at one node get one coded query, and a model gives the same answers to it.
        """
        first = torch.searchsorted(self.rank, torch.arange(len(self.answers)))
        return answers if len(first) == answers.shape[1] else answers[:, first.to(answers.device)]

    def arrived(self, workers: Tensor) -> Tensor:
        """Return which distinct nodes have an answer, [..., P], for the positions of workers [..., F] in β."""
        mask = torch.zeros(*workers.shape[:-1], len(self.answers), dtype=torch.bool)
        return mask.scatter_(-1, self.rank[workers], value=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Second moments about the mean, summed over outputs, float64.

    Attributes:
        answers: [P, P] of the answers at the distinct worker nodes with each other.
        truths: [K, P] of the true outputs with the answers.
        variances: [K] of the true outputs.
    """

    answers: Tensor
    truths: Tensor
    variances: Tensor

    def rounded(self) -> Moments:
        """Return the moments on the CPU as float32 keeps them, as they are served: what is judged is what is served."""
        return Moments(**as_kept(vars(self)))

    @property
    def digest(self) -> str:
        """SHA-256 over the moments as float32 keeps them."""
        return digest_of(vars(self))

    @property
    def scale(self) -> float:
        """The mean variance of an answer."""
        return float(self.answers.diagonal().mean())


def measure_moments(answers: Tensor, truths: Tensor) -> Moments:
    """Measure the moments of groups about the mean of all answers and true outputs, which is the same at all nodes.

    Args:
        answers: [G, P, c] in the decode space.
        truths: [G, K, c] likewise.
    """
    together = torch.cat([answers, truths], 1).to(torch.float64)
    centred = (together - together.mean((0, 1))).transpose(0, 1).flatten(1)
    count = answers.shape[1]
    read, wanted = centred[:count], centred[count:]
    groups = len(answers)
    return Moments(
        answers=read @ read.mT / groups,
        truths=wanted @ read.mT / groups,
        variances=wanted.square().sum(1) / groups,
    )


def kernel_moments(sites: Sites, kernel: Kernel) -> Moments:
    """Return the moments of outputs that vary along the nodes as a Matérn kernel says, of variance 1, without nugget.

    Reference:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equation 4.14.
    """
    return Moments(
        answers=_matern(sites.answers[:, None] - sites.answers, kernel),
        truths=_matern(sites.queries[:, None] - sites.answers, kernel),
        variances=torch.ones_like(sites.queries),
    )


def mix(structure: Moments, measured: Moments, weight: float) -> Moments:
    """Shrink measured moments towards a structure of variance 1, which is brought to their scale.

    Args:
        structure: Of a kernel.
        measured: Of calibration groups.
        weight: w, the share of what was measured.
    """
    share = (1 - weight) * measured.scale
    return Moments(
        answers=weight * measured.answers + share * structure.answers,
        truths=weight * measured.truths + share * structure.truths,
        variances=weight * measured.variances + share * structure.variances,
    )


def _matern(distance: Tensor, kernel: Kernel) -> Tensor:
    if kernel.range == 0:
        return (distance == 0).to(torch.float64)
    scaled = math.sqrt(2 * kernel.smoothness) * distance.abs() / kernel.range
    polynomial = {0.5: torch.ones_like(scaled), 1.5: 1 + scaled, 2.5: 1 + scaled + scaled.square() / 3}
    return polynomial[kernel.smoothness] * (-scaled).exp()
