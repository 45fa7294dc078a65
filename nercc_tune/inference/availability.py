"""Which queries are degraded under a mask, and how often their estimates are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding import BASE
from nercc_tune.inference.metrics import Truth

__all__ = ["MaskedAvailability", "find_carriers", "find_degraded", "measure_availability"]

# A few units in the last place of a weight: a worker whose coded query differs from a query by less gets that query.
_SAME_QUERY = 8 * torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedAvailability:
    """What the accuracies of one code are made of, float64 on the CPU; what is degraded is said in `Availability`.

    Attributes:
        available: [G] accuracy where all answer.
        degraded: [G, M] share of the K queries that are degraded.
        right: [G, M] share of the K queries that are degraded and whose estimate is right all the same.
        carriers: How many queries have 0, 1, 2, … carriers; of all groups together where these differ.
        workers: N.
    """

    available: Tensor
    degraded: Tensor
    right: Tensor
    carriers: tuple[int, ...]
    workers: int


def find_carriers(encoder: Tensor, networks: Sequence[str] | None = None) -> Tensor:
    """Return which workers carry a query, [..., K, N]: they are sent it as it is, and run the model itself.

    Args:
        encoder: [..., N, K].
        networks: The name of the network that each worker runs; None where all run the model.
    """
    nearest = encoder.round()
    is_plain = ((encoder - nearest).abs() <= _SAME_QUERY).all(-1) & (nearest.abs().sum(-1) == 1)
    if networks is not None:
        is_plain = is_plain & torch.tensor([network == BASE for network in networks])
    return ((nearest == 1) & is_plain[..., None]).mT


def find_degraded(carriers: Tensor, batches: Sequence[Tensor]) -> Tensor:
    """Return which queries are degraded under each mask, [M, K], or [G, M, K] where the groups have carriers each.

    Args:
        carriers: [K, N] or [G, K, N].
        batches: [M, F] the numbers of those who arrived, in the order of the carriers, a tensor for each number F.
    """
    workers = carriers.shape[-1]
    arrived = torch.cat(
        [torch.zeros(len(batch), workers, dtype=torch.bool).scatter_(1, batch, value=True) for batch in batches]
    )
    answered = arrived.to(torch.float64) @ carriers.to(torch.float64).mT > 0
    return ~answered & ~arrived.all(1)[:, None]


def measure_availability(
    decoded: Iterable[Tensor], truth: Truth, *, available: Tensor, carriers: Tensor, batches: Sequence[Tensor]
) -> MaskedAvailability:
    """Count the degraded queries, and those of them that a decoder's estimates are right about.

    Args:
        decoded: Parts [m, G, K, c] of all masks in turn, in the decode space.
        truth: The uncoded outputs, in the order of the estimates.
        available: [G] accuracy where all answer.
        carriers: [K, N], or [G, K, N] of each group, the queries in the order of the estimates.
        batches: As for `find_degraded`.
    """
    hits = [truth.estimates(part).argmax(-1) == truth.labels for part in decoded]
    is_right = torch.cat(hits).transpose(0, 1).cpu()
    is_degraded = find_degraded(carriers, batches).expand_as(is_right)
    return MaskedAvailability(
        available=available,
        degraded=_share(is_degraded),
        right=_share(is_degraded & is_right),
        carriers=_count(carriers),
        workers=carriers.shape[-1],
    )


def _share(hits: Tensor) -> Tensor:
    return hits.to(torch.float64).mean(-1)


def _count(carriers: Tensor) -> tuple[int, ...]:
    """Return how many queries have 0, 1, 2, … carriers, in one group where that is the same in all."""
    counts = carriers.sum(-1).sort(-1).values.unique(dim=0) if carriers.ndim > 2 else carriers.sum(-1)[None]
    counts = counts if len(counts) == 1 else carriers.sum(-1)
    return tuple(torch.bincount(counts.flatten()).tolist())
