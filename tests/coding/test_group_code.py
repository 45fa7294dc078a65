from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import (
    ASSIGNMENTS,
    ORDERINGS,
    BerrutCode,
    GroupCode,
    LinearCode,
    NerccCode,
    NodeSet,
    Placement,
    node_kinds,
    node_set,
    order_queries,
    place,
    worker_positions,
)

QUERIES, WORKERS = 8, 30


def _nercc(nodes: NodeSet) -> LinearCode:
    return NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0)


def _code(placement: Placement, build: Callable[[NodeSet], LinearCode] = _nercc) -> GroupCode:
    return GroupCode(build, queries=QUERIES, workers=WORKERS, placement=placement)


def _group(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(QUERIES, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("nodes", [*node_kinds()[:-1], "copies-1", "copies-2"])
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_estimates_come_back_in_the_callers_order(ordering: str, nodes: str, assignment: str) -> None:
    code = _code(Placement(ordering=ordering, nodes=nodes, assignment=assignment, rack=5))
    queries = torch.tensor([40.0, 10.0, 70.0, 0.0, 50.0, 20.0, 60.0, 30.0], dtype=torch.float64)[:, None]
    on_group = code.on(queries)
    estimates = on_group.decode(on_group.encode(queries), range(WORKERS))
    # Half the distance between two queries; in the order of arrival the curve swings most.
    assert float((estimates - queries).abs().max()) < 5
    if ordering != "arrival" and nodes not in ("approxifer", "chebyshev", "first-kind"):
        arrived = torch.randperm(WORKERS, generator=torch.Generator().manual_seed(3))[:20]
        # Sorted queries 10 apart are a straight line where the α are evenly apart, which is recovered whatever arrives.
        estimates = on_group.decode(on_group.encode(queries)[arrived], arrived)
        torch.testing.assert_close(estimates, queries, rtol=0, atol=1e-9)


def test_it_is_the_inner_code_on_the_ordered_queries() -> None:
    queries = _group(5)
    code = _code(Placement(ordering="nearest-neighbour", assignment="interleaved", rack=4), BerrutCode).on(queries)
    order = order_queries("nearest-neighbour", queries)
    inner = BerrutCode(node_set("chebyshev", queries=QUERIES, workers=WORKERS))
    assert torch.equal(code.order, order)
    assert torch.equal(code.position, worker_positions("interleaved", torch.linspace(-1, 1, WORKERS), rack=4))
    assert order.tolist() != list(range(QUERIES))
    torch.testing.assert_close(code.encode(queries), inner.encode(queries[order])[code.position], rtol=0, atol=1e-12)


def test_chord_length_spaces_by_distances_in_the_order() -> None:
    queries = torch.tensor([3.0, 0.0, 12.0, 4.0])[:, None]
    order, nodes = place(Placement(ordering="projection", nodes="chord-length", chord_power=1.0), queries, workers=9)
    expected = torch.tensor([3.0, 1.0, 8.0], dtype=torch.float64) / 12
    gaps = nodes.alpha.diff() / 1.5
    expected = expected if order[0] == 1 else expected.flip(0)
    torch.testing.assert_close(gaps, expected, rtol=1e-12, atol=0)
    assert torch.equal(nodes.beta, node_set("uniform", queries=4, workers=9).beta)


def test_distances_are_euclidean_and_the_power_counts() -> None:
    queries = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 24.0]])
    _, nodes = place(Placement(nodes="chord-length"), queries, workers=4)
    gaps = nodes.alpha.diff()
    assert float(gaps[1] / gaps[0]) == pytest.approx(2.0)


def test_a_users_features_order_and_space_and_are_asked_once() -> None:
    asked = []

    def features(queries: Tensor) -> Tensor:
        asked.append(queries)
        return torch.tensor([[0.0], [9.0], [1.0], [5.0]])

    placement = Placement(ordering="nearest-neighbour", nodes="chord-length", chord_power=1.0)
    code = GroupCode(_nercc, queries=4, workers=9, placement=placement)
    on_group = code.on(torch.zeros(4, 2), features=features)
    assert on_group.order.tolist() == [0, 2, 3, 1]
    assert isinstance(on_group.inner, NerccCode)
    assert (on_group.inner.nodes.alpha.diff() / 1.5 * 9).tolist() == pytest.approx([1.0, 4.0, 4.0])
    assert len(asked) == 1


def test_equal_queries_have_nodes_too() -> None:
    code = _code(Placement(ordering="nearest-neighbour", nodes="chord-length"))
    queries = torch.ones(QUERIES, 1, 20, 20)
    on_group = code.on(queries)
    torch.testing.assert_close(on_group.decode(on_group.encode(queries)[3:], range(3, WORKERS)), queries)


def test_nodes_that_are_the_same_for_all_groups_are_built_once() -> None:
    built: list[NodeSet] = []

    def build(nodes: NodeSet) -> LinearCode:
        built.append(nodes)
        return BerrutCode(nodes)

    code = _code(Placement(ordering="projection", nodes="systematic"), build)
    assert code.on(_group(3)).inner is code.on(_group(3, seed=1)).inner
    assert len(built) == 1
    fitted = _code(Placement(nodes="chord-length"), build)
    first, second = fitted.on(_group(3)).inner, fitted.on(_group(3, seed=1)).inner
    assert not torch.equal(first.encoder_matrix, second.encoder_matrix)


def test_a_code_that_is_not_fitted_is_its_own() -> None:
    queries = _group(2)
    inner = BerrutCode(node_set("uniform", queries=QUERIES, workers=WORKERS))
    assert inner.on(queries) is inner
    placed = _code(Placement(ordering="projection")).on(queries)
    assert placed.on(queries) is placed


@pytest.mark.parametrize("group", [torch.zeros(QUERIES + 1, 2), torch.tensor(0.0)])
def test_another_number_of_queries_is_refused(group: Tensor) -> None:
    with pytest.raises(ValueError, match=f"`queries` must hold {QUERIES} queries along axis 0, but got shape"):
        _code(Placement()).on(group)


def test_sizes_that_do_not_suit_are_refused_on_construction() -> None:
    with pytest.raises(ValueError, match="`queries <= workers` must hold"):
        GroupCode(_nercc, queries=4, workers=3, placement=Placement(nodes="systematic"))
    with pytest.raises(ValueError, match="`rack` must be from 2 to 4"):
        GroupCode(_nercc, queries=2, workers=4, placement=Placement(assignment="interleaved", rack=5))
    with pytest.raises(ValueError, match="`queries` and `workers` must be at least 1, but got 0 and 4"):
        GroupCode(_nercc, queries=0, workers=4, placement=Placement(nodes="chord-length"))


def test_a_placement_is_checked_on_construction() -> None:
    with pytest.raises(ValueError, match=r"`ordering` must be one of arrival, .*, but got 'random'"):
        Placement(ordering="random")
    with pytest.raises(
        ValueError, match=r"`nodes` must be one of approxifer, chebyshev, chord-length, .*, but got 'leja'"
    ):
        Placement(nodes="leja")
    with pytest.raises(ValueError, match="`assignment` must be one of identity, interleaved, but got 'random'"):
        Placement(assignment="random")


@pytest.mark.parametrize("power", [-0.5, 1.5, math.nan])
def test_powers_outside_0_to_1_are_refused(power: float) -> None:
    with pytest.raises(ValueError, match=f"`chord_power` must be from 0 to 1, but got {power}"):
        Placement(chord_power=power)


@pytest.mark.parametrize("rack", [None, 1, 0])
def test_interleaved_needs_a_rack(rack: int | None) -> None:
    with pytest.raises(ValueError, match=f"`rack` must be at least 2 for .*'interleaved', but got {rack}"):
        Placement(assignment="interleaved", rack=rack)
