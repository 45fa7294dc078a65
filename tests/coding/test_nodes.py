from __future__ import annotations

import math

import pytest
import torch

from nercc_tune.coding import (
    DOMAIN,
    FITTED_NODES,
    NODES,
    BerrutCode,
    NerccCode,
    NodeSet,
    chord_length,
    copies_of,
    node_kinds,
    node_set,
)

SIZES = [(1, 1), (2, 2), (2, 3), (5, 9), (10, 13), (50, 200), (50, 201)]


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize(("queries", "workers"), SIZES)
def test_nodes_ascend_within_the_domain_and_are_exactly_antisymmetric(kind: str, queries: int, workers: int) -> None:
    nodes = node_set(kind, queries=queries, workers=workers)
    assert (len(nodes.alpha), len(nodes.beta)) == (queries, workers)
    for points in (nodes.alpha, nodes.beta):
        assert points.dtype == torch.float64
        assert bool((points.diff() > 0).all())
        mirrored = points[:-1] if kind == "approxifer" and points is nodes.beta else points  # it has no worker at −1
        assert torch.equal(mirrored, -mirrored.flip(0))
        assert DOMAIN[0] <= float(points[0])
        assert float(points[-1]) <= DOMAIN[1]


def test_uniform_workers_go_from_end_to_end_and_queries_sit_at_the_centres() -> None:
    nodes = node_set("uniform", queries=4, workers=5)
    assert nodes.alpha.tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert nodes.beta.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize("kind", NODES)
def test_two_queries(kind: str) -> None:
    at = {"systematic": 1.0, "uniform": 0.5}.get(kind, math.sqrt(0.5))
    assert node_set(kind, queries=2, workers=2).alpha.tolist() == pytest.approx([-at, at], abs=2e-16)


@pytest.mark.parametrize("kind", NODES)
def test_a_lone_worker_sits_in_the_middle_or_at_the_end(kind: str) -> None:
    at = 1.0 if kind == "approxifer" else 0.0  # it has the right end whatever N is
    assert node_set(kind, queries=1, workers=1).beta.tolist() == [at]


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=f"`nodes` must be one of {', '.join(sorted(NODES))}, copies-c, but got 'leja'"
    ):
        node_set("leja", queries=2, workers=3)


@pytest.mark.parametrize(("queries", "workers"), [(0, 3), (3, 0), (-1, 3)])
def test_empty_node_sets_are_refused(queries: int, workers: int) -> None:
    with pytest.raises(ValueError, match=f"must be at least 1, but got {queries} and {workers}"):
        node_set("uniform", queries=queries, workers=workers)


@pytest.mark.parametrize("points", [[0.5, -0.5], [-1.5, 0.0], [0.0, 1.5], [0.0, math.nan]])
def test_node_sets_that_do_not_ascend_within_the_domain_are_refused(points: list[float]) -> None:
    good, bad = torch.tensor([-1.0, 1.0]), torch.tensor(points)
    with pytest.raises(ValueError, match=r"`alpha` must ascend strictly within \[-1, 1\]"):
        NodeSet(alpha=bad, beta=good)
    with pytest.raises(ValueError, match=r"`beta` must ascend within \[-1, 1\]"):
        NodeSet(alpha=good, beta=bad)


def test_only_workers_may_share_a_node() -> None:
    apart, together = torch.tensor([-1.0, 1.0]), torch.tensor([0.0, 0.0])
    assert NodeSet(alpha=apart, beta=together).workers == 2
    with pytest.raises(ValueError, match="`alpha` must ascend strictly"):
        NodeSet(alpha=together, beta=apart)


@pytest.mark.parametrize(
    ("queries", "workers", "copies", "expected"),
    [
        (3, 9, 3, [-1, -1, -1, 0, 0, 0, 1, 1, 1]),
        (3, 8, 2, [-1, -1, -0.5, 0, 0, 0.5, 1, 1]),  # what is left over lies between
        (3, 7, 2, [-1, -1, 0, 0, 0, 1, 1]),  # or is a further copy
        (3, 8, 1, [-1, -2 / 3, -1 / 3, 0, 0, 1 / 3, 2 / 3, 1]),
        (3, 5, 0, [-0.75, -0.5, -0.25, 1 / 3, 2 / 3]),
        (1, 4, 2, [0, 0, 0, 0]),
    ],
)
def test_copies_lie_on_the_queries_and_the_rest_between(
    queries: int, workers: int, copies: int, expected: list[float]
) -> None:
    nodes = node_set(f"copies-{copies}", queries=queries, workers=workers)
    assert nodes.alpha.tolist() == torch.linspace(-1, 1, queries).double().tolist() if queries > 1 else [0.0]
    torch.testing.assert_close(nodes.beta, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("queries", [2, 5, 50])
@pytest.mark.parametrize("redundancy", [1.0, 1.2, 2.0, 3.0, 4.3])
def test_every_query_has_its_copies_and_every_worker_a_node(queries: int, redundancy: float) -> None:
    workers = int(queries * redundancy)
    for copies in range(workers // queries + 1):
        nodes = node_set(f"copies-{copies}", queries=queries, workers=workers)
        on_queries = (nodes.beta[:, None] == nodes.alpha).sum(0)
        assert len(nodes.beta) == workers
        assert copies <= int(on_queries.min()) <= int(on_queries.max()) <= copies + (copies > 0)


@pytest.mark.parametrize("kind", ["copies-5", "copies-1000000"])
def test_more_copies_than_workers_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"`copies` must be from 0 to N // K = 4, but got "):
        node_set(kind, queries=3, workers=14)


@pytest.mark.parametrize("kind", ["copies", "copies-", "copies--1", "copies-04", "copies-1.5"])
def test_copies_have_a_number(kind: str) -> None:
    assert copies_of(kind) is None
    with pytest.raises(ValueError, match=r"`nodes` must be one of .*, systematic, uniform, copies-c, but got"):
        node_set(kind, queries=3, workers=14)


def test_all_kinds_have_names() -> None:
    fixed_and_fitted = ("approxifer", "chebyshev", "chord-length", "first-kind", "systematic", "uniform")
    assert node_kinds() == (*fixed_and_fitted, "copies-c")
    assert set(FITTED_NODES) == set(node_kinds()) - set(NODES) - {"copies-c"}


def test_nodes_fitted_to_a_group_are_no_node_set() -> None:
    with pytest.raises(ValueError, match="but got 'chord-length', which is fitted to a group"):
        node_set("chord-length", queries=2, workers=3)


def test_query_nodes_of_many_groups_ascend_each() -> None:
    beta = torch.tensor([-1.0, 1.0])
    assert NodeSet(alpha=torch.tensor([[-0.5, 0.5], [0.0, 0.1]]), beta=beta).alpha.shape == (2, 2)
    with pytest.raises(ValueError, match="`alpha` must ascend strictly"):
        NodeSet(alpha=torch.tensor([[-0.5, 0.5], [0.1, 0.0]]), beta=beta)


SYSTEMATIC_SIZES = [(1, 1), (1, 2), (1, 4), (1, 5), (2, 2), (2, 7), (3, 4), (3, 5), (5, 8), (8, 13), (50, 200), (7, 90)]


@pytest.mark.parametrize(("queries", "workers"), SYSTEMATIC_SIZES)
def test_systematic_workers_fill_the_gaps_evenly(queries: int, workers: int) -> None:
    nodes = node_set("systematic", queries=queries, workers=workers)
    hits = (nodes.beta == nodes.alpha[:, None]).nonzero()[:, 1]
    assert (len(nodes.beta), len(hits)) == (workers, queries)
    inside = hits.diff() - 1
    assert queries == 1 or int(inside.max() - inside.min()) <= 1
    for first, last in zip(hits[:-1].tolist(), hits[1:].tolist(), strict=True):
        steps = nodes.beta[first : last + 1].diff()
        assert steps.tolist() == pytest.approx([float(steps.mean())] * len(steps), rel=1e-12)
    # An odd number of workers more than what goes round cannot be mirrored over an even number of gaps.
    fuller = (workers - queries) % max(queries - 1, 1)
    assert int((inside != inside.flip(0)).sum()) == (2 if fuller % 2 == 1 and queries % 2 == 1 else 0)


@pytest.mark.parametrize(("queries", "workers"), [(9, 12), (10, 14), (50, 60), (40, 61)])
def test_fuller_gaps_lie_evenly_among_the_others(queries: int, workers: int) -> None:
    nodes = node_set("systematic", queries=queries, workers=workers)
    hits = (nodes.beta == nodes.alpha[:, None]).nonzero()[:, 1]
    fuller = (hits.diff() == hits.diff().max()).nonzero()[:, 0]
    apart = fuller.diff()
    assert int(apart.max() - apart.min()) <= 2
    assert abs(int(fuller[0]) - (queries - 2 - int(fuller[-1]))) <= 1


@pytest.mark.parametrize(("queries", "expected"), [(1, [0.0]), (2, [-1.0, 1.0]), (3, [-1.0, 0.0, 1.0])])
def test_systematic_queries_go_from_end_to_end(queries: int, expected: list[float]) -> None:
    assert node_set("systematic", queries=queries, workers=5).alpha.tolist() == expected


@pytest.mark.parametrize(("workers", "expected"), [(1, [0.0]), (2, [0.0, 1.0]), (4, [-1.0, 0.0, 0.5, 1.0])])
def test_a_lone_query_has_a_worker_in_the_middle(workers: int, expected: list[float]) -> None:
    assert node_set("systematic", queries=1, workers=workers).beta.tolist() == expected


def test_systematic_nodes_need_a_worker_for_every_query() -> None:
    with pytest.raises(ValueError, match=r"`queries <= workers` must hold .* but got 4 queries and 3 workers"):
        node_set("systematic", queries=4, workers=3)


def test_a_systematic_code_returns_exactly_what_arrived() -> None:
    nodes = node_set("systematic", queries=7, workers=20)
    code = NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0)
    queries = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    home = (nodes.beta == nodes.alpha[:, None]).nonzero()[:, 1]
    assert torch.equal(code.encode(queries)[home], queries)
    arrived = torch.cat([home[[0, 2, 3, 6]], torch.tensor([1, 8])]).sort().values
    outputs = code.encode(queries).tanh()
    estimates = code.decode(outputs[arrived], arrived)
    assert torch.equal(estimates[[0, 2, 3, 6]], queries[[0, 2, 3, 6]].tanh())


class TestChordLength:
    def test_gaps_are_proportional_to_a_power_of_the_distances(self) -> None:
        distances = torch.tensor([1.0, 4.0, 9.0])
        for power in (0.25, 0.5, 1.0):
            gaps = chord_length(distances, power=power).diff()
            expected = distances.double() ** power
            torch.testing.assert_close(gaps / gaps.sum(), expected / expected.sum(), rtol=1e-14, atol=0)

    @pytest.mark.parametrize("queries", [1, 2, 3, 10, 50, 333])
    def test_power_0_is_uniform_and_the_ends_are_its_for_every_power(self, queries: int) -> None:
        uniform = node_set("uniform", queries=queries, workers=2).alpha
        distances = torch.rand(queries - 1, generator=torch.Generator().manual_seed(0)) + 0.01
        # One rounding each for the running sum, the quotient and the product.
        torch.testing.assert_close(chord_length(distances, power=0.0), uniform, rtol=0, atol=4e-16)
        for power in (0.0, 0.3, 1.0):
            alpha = chord_length(distances, power=power)
            assert alpha.dtype == torch.float64
            assert alpha[[0, -1]].tolist() == uniform[[0, -1]].tolist()

    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
    def test_duplicates_and_extremes_keep_apart(self, power: float) -> None:
        for distances in ([0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1e300, 1e-300, 1e308], [5e-324, 0.0, 5e-324]):
            alpha = chord_length(torch.tensor(distances, dtype=torch.float64), power=power)
            # 5 % of the mean before the lengthened gaps make all others a little shorter.
            assert float(alpha.diff().min()) >= 0.05 / 1.05 * float(alpha.diff().mean())
            assert float(alpha.abs().max()) == 0.75
        assert chord_length(torch.zeros(3), power=1.0).tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])

    def test_the_least_gap_is_a_share_of_the_mean(self) -> None:
        gaps = chord_length(torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0]), power=1.0).diff()
        assert float(gaps[0] / gaps[1]) == pytest.approx(0.05 * 0.8)

    def test_a_batch_equals_single_groups(self) -> None:
        distances = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(1))
        distances[0, 1] = 0.0
        alpha = chord_length(distances, power=0.5)
        assert alpha.shape == (2, 3, 7)
        for row, single in zip(alpha.flatten(0, 1), distances.flatten(0, 1), strict=True):
            assert torch.equal(row, chord_length(single, power=0.5))

    @pytest.mark.parametrize("distance", [-1.0, math.nan, math.inf])
    def test_distances_that_are_none_are_refused(self, distance: float) -> None:
        with pytest.raises(ValueError, match="`distances` must be finite and at least 0"):
            chord_length(torch.tensor([1.0, distance]), power=0.5)

    @pytest.mark.parametrize("power", [-0.1, 1.1, math.nan])
    def test_powers_outside_0_to_1_are_refused(self, power: float) -> None:
        with pytest.raises(ValueError, match=f"`power` must be from 0 to 1, but got {power}"):
            chord_length(torch.tensor([1.0]), power=power)


def test_a_code_refuses_the_nodes_of_several_groups() -> None:
    one = node_set("uniform", queries=3, workers=5)
    several = NodeSet(alpha=one.alpha.expand(2, 3), beta=one.beta)
    assert (one.queries, one.workers) == (3, 5)
    for build in (BerrutCode, NerccCode.encoder(0.0)):
        with pytest.raises(ValueError, match=r"`alpha` must be that of one group \[K\], but got shape \(2, 3\)"):
            build(several)
