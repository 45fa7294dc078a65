from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BerrutCode, LinearCode, NerccCode, PlacedCode, ReplicationCode, node_set

NODES = node_set("chebyshev", queries=6, workers=15)
ORDER = torch.tensor([3, 0, 5, 1, 4, 2])
POSITION = torch.randperm(15, generator=torch.Generator().manual_seed(1))
ARRIVED = torch.tensor([14, 2, 3, 9, 0, 7, 8, 11])
INNER: dict[str, LinearCode] = {
    "nercc": NerccCode(NODES, lambda_enc=1e-4, lambda_dec=1e-5),
    "berrut": BerrutCode(NODES),
    "replication": ReplicationCode(queries=6, workers=15),
}


@pytest.fixture(params=INNER)
def inner(request: pytest.FixtureRequest) -> LinearCode:
    return INNER[request.param]


def _queries() -> Tensor:
    return torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


# The same products, summed in another order.
def _assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_it_is_the_inner_code_on_reordered_queries_and_workers(inner: LinearCode) -> None:
    code, queries = PlacedCode(inner, order=ORDER, position=POSITION), _queries()
    coded = code.encode(queries)
    _assert_same(coded, inner.encode(queries[ORDER])[POSITION])
    answers = coded.tanh()
    estimates = code.decode(answers[ARRIVED], ARRIVED)
    _assert_same(estimates[ORDER], inner.decode(answers[ARRIVED], POSITION[ARRIVED]))


def test_rows_and_columns_are_those_of_the_inner_matrices(inner: LinearCode) -> None:
    code = PlacedCode(inner, order=ORDER, position=POSITION)
    decoder = inner.decoder_matrix(POSITION[ARRIVED])
    for i, query in enumerate(ORDER.tolist()):
        assert torch.equal(code.decoder_matrix(ARRIVED)[query], decoder[i])
        for worker, node in enumerate(POSITION.tolist()):
            assert code.encoder_matrix[worker, query] == inner.encoder_matrix[node, i]


def test_estimates_come_back_in_the_callers_order() -> None:
    code = PlacedCode(NerccCode(NODES, lambda_enc=0.0, lambda_dec=0.0), order=ORDER, position=POSITION)
    queries = torch.zeros(6, dtype=torch.float64)
    queries[ORDER] = 100 * NODES.alpha
    estimates = code.decode(code.encode(queries)[ARRIVED], ARRIVED)
    # Along the nodes the queries are a straight line, which is recovered whatever arrives.
    torch.testing.assert_close(estimates, queries, rtol=0, atol=1e-9)


def test_batches_of_arrived_workers(inner: LinearCode) -> None:
    code = PlacedCode(inner, order=ORDER, position=POSITION)
    batch = torch.stack([ARRIVED, ARRIVED.sort().values, 14 - ARRIVED])
    for row, matrix in zip(batch, code.decoder_matrix(batch), strict=True):
        _assert_same(matrix, code.decoder_matrix(row))


def test_what_is_not_given_stays_as_it_is(inner: LinearCode) -> None:
    code = PlacedCode(inner)
    assert code.inner is inner
    assert (code.order.tolist(), code.position.tolist()) == (list(range(6)), list(range(15)))
    assert torch.equal(code.encoder_matrix, inner.encoder_matrix)
    assert torch.equal(code.decoder_matrix(ARRIVED), inner.decoder_matrix(ARRIVED))


@pytest.mark.parametrize(
    "numbers",
    [
        torch.tensor([0, 1, 2, 3, 4, 4]),
        torch.tensor([0, 1, 2, 3, 4, 6]),
        torch.tensor([-1, 0, 1, 2, 3, 4]),
        torch.arange(5),
        torch.arange(6.0),
        torch.arange(6)[None],
        torch.tensor(0),
    ],
)
def test_only_permutations_are_taken(numbers: Tensor) -> None:
    inner = ReplicationCode(queries=6, workers=6)
    with pytest.raises(ValueError, match="`order` must hold each number from 0 to 5 once, but got"):
        PlacedCode(inner, order=numbers)
    with pytest.raises(ValueError, match="`position` must hold each number from 0 to 5 once, but got"):
        PlacedCode(inner, position=numbers)


def test_a_worker_runs_the_network_of_its_node() -> None:
    class Parity(ReplicationCode):
        @property
        def networks(self) -> tuple[str, ...]:
            return ("base", "base", "parity")

    assert ReplicationCode(queries=2, workers=3).networks == ("base",) * 3
    code = PlacedCode(Parity(queries=2, workers=3), position=torch.tensor([2, 0, 1]))
    assert code.networks == ("parity", "base", "base")
