"""The table of all linear codes: each of its rows goes through every test of `test_linear_code.py`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nercc_tune.coding import (
    BerrutCode,
    LinearCode,
    NerccCode,
    NodeSet,
    PlacedCode,
    ReplicationCode,
    UncodedCode,
    node_set,
    worker_positions,
)

# Two queries; colliding nodes α = β; none of either.
SIZES = ((2, 5), (10, 13), (12, 40))
PAIRS = ((0.0, 0.0), (1e-6, 1e-4), (1e-2, 1e8))


def _nercc(lambda_enc: float, lambda_dec: float) -> Callable[[NodeSet], LinearCode]:
    return lambda nodes: NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec)


ON_NODES: dict[str, Callable[[NodeSet], LinearCode]] = {
    **{f"nercc({enc:g}, {dec:g})": _nercc(enc, dec) for enc, dec in PAIRS},
    "berrut": BerrutCode,
}
WITHOUT_NODES: dict[str, Callable[[int, int], LinearCode]] = {
    "replication": lambda queries, workers: ReplicationCode(queries=queries, workers=workers),
    "uncoded": lambda queries, workers: UncodedCode(queries=queries, workers=workers),
}


def _placed(inner: LinearCode) -> LinearCode:
    order = torch.randperm(inner.queries, generator=torch.Generator().manual_seed(4))
    return PlacedCode(
        inner, order=order, position=worker_positions("interleaved", torch.linspace(-1, 1, inner.workers), rack=3)
    )


ON_SYSTEMATIC_NODES: dict[str, Callable[[NodeSet], LinearCode]] = {
    "nercc(0, 0)": _nercc(0.0, 0.0),
    "berrut": BerrutCode,
    "placed nercc(1e-06, 0.0001)": lambda nodes: _placed(NerccCode(nodes, lambda_enc=1e-6, lambda_dec=1e-4)),
    "placed berrut": lambda nodes: _placed(BerrutCode(nodes)),
}


def codes() -> dict[str, LinearCode]:
    """Return every code at every size, on the papers' node sets and on systematic ones where it has nodes."""
    table: dict[str, LinearCode] = {}
    for queries, workers in SIZES:
        for kind in ("chebyshev", "uniform"):
            nodes = node_set(kind, queries=queries, workers=workers)
            table |= {f"{name} {kind} {queries}/{workers}": build(nodes) for name, build in ON_NODES.items()}
        nodes = node_set("systematic", queries=queries, workers=workers)
        table |= {f"{name} systematic {queries}/{workers}": build(nodes) for name, build in ON_SYSTEMATIC_NODES.items()}
        for copies in {0, 1, workers // queries}:
            nodes = node_set(f"copies-{copies}", queries=queries, workers=workers)
            build_all = ON_SYSTEMATIC_NODES.items()
            table |= {f"{name} copies-{copies} {queries}/{workers}": build(nodes) for name, build in build_all}
        table |= {f"{name} {queries}/{workers}": build(queries, workers) for name, build in WITHOUT_NODES.items()}
    return table


def arrivals(workers: int) -> list[Tensor]:
    """Return arrived workers, worker 0 or 1 among them, so that even without coding one of them has a query."""
    drawn = torch.randperm(workers - 1, generator=torch.Generator().manual_seed(0))[: workers // 2] + 1
    return [
        torch.arange(workers),
        torch.arange(0, workers, 2),
        torch.arange(1, workers),
        torch.arange(workers - workers // 4),
        torch.cat([torch.tensor([0]), drawn.sort().values]),
        torch.tensor([0, workers - 1]),
        torch.tensor([1]),
    ]
