from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import GroupCode, NerccCode, Placement, node_set, order_queries
from nercc_tune.inference import Layout
from tests.inference.fakes import draw_groups

QUERIES = draw_groups(groups=4, queries=6).queries
WORKERS = 13
PLACEMENTS = {
    f"{ordering} on {nodes}": Placement(ordering=ordering, nodes=nodes, chord_power=0.7)
    for ordering in ("arrival", "nearest-neighbour", "projection")
    for nodes in ("chebyshev", "uniform", "systematic", "chord-length")
}


def _layout(placement: Placement) -> Layout:
    return Layout.of(QUERIES, placement, workers=WORKERS)


def _of_each(layout: Layout, lambda_enc: float) -> Tensor:
    return layout.encoder(lambda_enc).expand(len(QUERIES), WORKERS, QUERIES.shape[1])


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("lambda_enc", [0.0, 1e-6, 1e-2])
def test_the_encoder_is_that_of_the_code_of_each_group(placement: Placement, lambda_enc: float) -> None:
    found = _of_each(_layout(placement), lambda_enc)
    code = GroupCode(NerccCode.encoder(lambda_enc), queries=6, workers=WORKERS, placement=placement)
    for group, queries in enumerate(QUERIES):
        torch.testing.assert_close(found[group], code.on(queries).encoder_matrix, rtol=0, atol=1e-12)


def test_an_assignment_permutes_the_rows_and_nothing_else() -> None:
    placement = Placement(ordering="projection", nodes="chord-length", assignment="interleaved", rack=4)
    code = GroupCode(NerccCode.encoder(1e-5), queries=6, workers=WORKERS, placement=placement)
    found = _of_each(_layout(placement), 1e-5)
    for group, queries in enumerate(QUERIES):
        torch.testing.assert_close(found[group, code.position], code.on(queries).encoder_matrix, rtol=0, atol=1e-12)


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
def test_one_matrix_serves_all_groups_where_nothing_differs(placement: Placement) -> None:
    layout = _layout(placement)
    is_fitted = placement.nodes == "chord-length"
    assert (layout.order is None) == (placement.ordering == "arrival")
    assert layout.nodes.alpha.shape == ((4, 6) if is_fitted else (6,))
    assert layout.encoder(1e-4).ndim == (3 if is_fitted or layout.order is not None else 2)


def test_the_order_is_that_of_the_ordering() -> None:
    layout = _layout(PLACEMENTS["nearest-neighbour on chebyshev"])
    assert layout.order is not None
    for order, queries in zip(layout.order, QUERIES, strict=True):
        assert torch.equal(order, order_queries("nearest-neighbour", queries))
        assert order.tolist() != list(range(6))


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
def test_ordering_the_queries_and_unordering_the_encoder_are_the_same(placement: Placement) -> None:
    layout = _layout(placement)
    encoder = torch.randn(WORKERS, 6, generator=torch.Generator().manual_seed(0))
    found = layout.unordered(encoder) @ QUERIES.flatten(2)
    torch.testing.assert_close(found, encoder @ layout.ordered(QUERIES).flatten(2), rtol=1e-5, atol=1e-5)


def test_values_of_any_shape_are_ordered() -> None:
    layout = _layout(PLACEMENTS["projection on uniform"])
    assert layout.order is not None
    numbers = torch.arange(6).expand(4, 6)
    assert torch.equal(layout.ordered(numbers), layout.order)
    assert torch.equal(layout.ordered(numbers[..., None].expand(4, 6, 3))[..., 2], layout.order)


def test_features_take_the_place_of_the_queries() -> None:
    """Of features that fall with the number of the query the shortest tour is the order of arrival, from its end."""

    def falling(queries: Tensor) -> Tensor:
        return -torch.arange(len(queries), dtype=torch.float32)[:, None].square()

    placement = Placement(ordering="nearest-neighbour", nodes="chord-length", chord_power=1.0)
    layout = Layout.of(QUERIES, placement, workers=WORKERS, features=falling)
    assert layout.order is None
    steps = layout.nodes.alpha.diff()
    # The squares of 0 to 5 lie 1, 3, 5, 7 and 9 apart. All groups are alike, so they share their α.
    torch.testing.assert_close(steps / steps[0], torch.tensor([1.0, 3.0, 5.0, 7.0, 9.0], dtype=torch.float64))


def test_nodes_of_all_groups_are_those_of_the_kind() -> None:
    layout = _layout(PLACEMENTS["projection on systematic"])
    nodes = node_set("systematic", queries=6, workers=WORKERS)
    assert torch.equal(layout.nodes.alpha, nodes.alpha)
    assert torch.equal(layout.nodes.beta, nodes.beta)
