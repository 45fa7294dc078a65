"""The tables of codes: of linear ones for every test of `test_linear_code.py`, of all kinds for `test_code.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nercc_tune.coding import (
    MIXERS,
    BerrutCode,
    LagrangeCode,
    LinearCode,
    NerccCode,
    NodeSet,
    PlacedCode,
    RationalCode,
    ReplicationCode,
    TrainedCode,
    UncodedCode,
    build_output_decoder,
    node_set,
    worker_positions,
)

# Two queries; colliding nodes α = β; none of either.
SIZES = ((2, 5), (10, 13), (12, 40))
PUBLISHED = ("approxifer", "chebyshev", "first-kind", "uniform")
PAIRS = ((0.0, 0.0), (1e-6, 1e-4), (1e-2, 1e8))


def _nercc(lambda_enc: float, lambda_dec: float) -> Callable[[NodeSet], LinearCode]:
    return lambda nodes: NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec)


def _berrut_of_degree_3(nodes: NodeSet) -> LinearCode:
    return BerrutCode(nodes, degree=3)


def _rational(degree: int) -> Callable[[NodeSet], LinearCode]:
    return lambda nodes: RationalCode(nodes, lambda_enc=1e-6, degree=degree)


ON_NODES: dict[str, Callable[[NodeSet], LinearCode]] = {
    **{f"nercc({enc:g}, {dec:g})": _nercc(enc, dec) for enc, dec in PAIRS},
    "berrut": BerrutCode,
    "berrut of degree 3": _berrut_of_degree_3,
    "lagrange": lambda nodes: LagrangeCode(nodes, degree=1),
    "spline and berrut": _rational(0),
    "spline and floater-hormann": _rational(2),
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
    "berrut of degree 3": _berrut_of_degree_3,
    "placed nercc(1e-06, 0.0001)": lambda nodes: _placed(NerccCode(nodes, lambda_enc=1e-6, lambda_dec=1e-4)),
    "placed berrut": lambda nodes: _placed(BerrutCode(nodes)),
}


def codes() -> dict[str, LinearCode]:
    """Return every code at every size, on the papers' node sets and on systematic ones where it has nodes."""
    table: dict[str, LinearCode] = {}
    for queries, workers in SIZES:
        for kind in PUBLISHED:
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


def arrivals(code: LinearCode) -> list[Tensor]:
    """Return arrived workers, worker 0 or 1 among them, so that even without coding one of them has a query.

    A code that decodes no fewer than a number of answers gets no fewer.
    """
    workers, least = code.workers, code.threshold if isinstance(code, LagrangeCode) else 1
    drawn = torch.randperm(workers - 1, generator=torch.Generator().manual_seed(0))[: workers // 2] + 1
    table = [
        torch.arange(workers),
        torch.arange(0, workers, 2),
        torch.arange(1, workers),
        torch.arange(workers - workers // 4),
        torch.cat([torch.tensor([0]), drawn.sort().values]),
        torch.tensor([0, workers - 1]),
        torch.tensor([1]),
    ]
    return [arrived for arrived in table if len(arrived) >= least]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A code for the tests of `test_code.py`, of groups of images of the shape `SHAPE` and `OUTPUTS` outputs.

    Attributes:
        plain: Which query each of the first workers is sent as it is, and whose answer is then the estimate.
    """

    code: LinearCode | TrainedCode
    plain: tuple[int, ...] = ()


SHAPE = (1, 4, 4)
OUTPUTS = 3


def kinds() -> dict[str, Kind]:
    """Return codes of all kinds, linear ones and those that are trained, each of few sizes."""
    chebyshev = node_set("chebyshev", queries=4, workers=9)
    systematic = node_set("systematic", queries=4, workers=9)
    table = {
        "nercc": Kind(code=NerccCode(chebyshev, lambda_enc=1e-6, lambda_dec=1e-4)),
        "lagrange": Kind(code=LagrangeCode(chebyshev, degree=1)),
        "placed berrut": Kind(code=_placed(BerrutCode(systematic))),
        "replication": Kind(code=ReplicationCode(queries=3, workers=6), plain=(0, 1, 2)),
        "uncoded": Kind(code=UncodedCode(queries=3, workers=6), plain=(0, 1, 2)),
    }
    for mixer, queries, workers in (("addition", 2, 3), ("addition", 4, 7), ("concatenation", 3, 4), ("packed", 4, 5)):
        code = _trained(mixer, queries=queries, workers=workers)
        table[f"parity {mixer} {queries}/{workers}"] = Kind(code=code, plain=tuple(range(queries)))
    for mixer, queries, workers in (("mlp", 2, 3), ("mlp", 3, 5), ("conv", 2, 4)):
        code = _trained(mixer, queries=queries, workers=workers)
        table[f"learned {mixer} {queries}/{workers}"] = Kind(code=code, plain=tuple(range(queries)))
    return table


def _trained(mixer: str, *, queries: int, workers: int) -> TrainedCode:
    """Return a code with networks as they are before they are trained."""
    sizes, kind = {"queries": queries, "parities": workers - queries}, MIXERS[mixer]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mix = kind.build(**sizes, shape=SHAPE).eval()
        if kind.is_trained:
            decoder = build_output_decoder(**sizes, outputs=OUTPUTS).eval()
            return TrainedCode(queries=queries, workers=workers, mixer=mix, decoder=decoder)
        networks = [nn.Sequential(nn.Flatten(), nn.Linear(16, OUTPUTS)).eval() for _ in range(workers - queries)]
    return TrainedCode(queries=queries, workers=workers, mixer=mix, parity_networks=networks)
