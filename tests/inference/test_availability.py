from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BASE, BerrutCode, DefaultCode, NerccCode, ReplicationCode, node_set
from nercc_tune.inference import Truth
from nercc_tune.inference.availability import find_carriers, find_degraded, measure_availability
from nercc_tune.records import DECODE_SPACES, DecodeSpace
from tests.inference.fakes import exactly

GROUPS, QUERIES, WORKERS, OUTPUTS, MASKS = 3, 4, 7, 3, 5
EYE = torch.eye(3, dtype=torch.float64)


def _rows(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_a_carrier_is_sent_a_query_as_it_is() -> None:
    encoder = _rows([1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1], [1, -1, 1], [0, 2, 0], [0, -1, 0])
    expected = _rows([1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0])
    assert torch.equal(find_carriers(encoder), expected.mT == 1)
    assert torch.equal(find_carriers(torch.stack([encoder, encoder.flip(0)]))[1], expected.flip(0).mT == 1)


def test_rounding_makes_no_mixture_and_a_small_share_does() -> None:
    assert bool(find_carriers(EYE + 1e-16).diagonal().all())
    assert not bool(find_carriers(EYE + 1e-12).any())


def test_a_worker_that_runs_another_network_carries_nothing() -> None:
    carriers = find_carriers(EYE, (BASE, "parity", BASE))
    assert carriers.diagonal().tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("kind", "workers", "each"), [("systematic", 17, 1), ("copies-0", 15, 0), ("copies-1", 16, 1), ("copies-2", 17, 2)]
)
def test_codes_that_interpolate_send_copies_where_a_worker_sits_on_a_query(kind: str, workers: int, each: int) -> None:
    nodes = node_set(kind, queries=6, workers=workers)
    for code in (NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0), BerrutCode(nodes)):
        assert find_carriers(code.encoder_matrix).sum(-1).tolist() == [each] * 6
    smooth = NerccCode(nodes, lambda_enc=1e-3, lambda_dec=0.0)
    assert not bool(find_carriers(smooth.encoder_matrix).any())


def test_replication_has_its_copies_and_no_code_one_carrier_each() -> None:
    replication = ReplicationCode(queries=4, workers=10).encoder_matrix
    assert find_carriers(replication).sum(-1).tolist() == [3, 3, 2, 2]
    assert find_carriers(DefaultCode(queries=4, workers=10).encoder_matrix).sum(-1).tolist() == [1] * 4


def _carriers() -> Tensor:
    """Return carriers of which every count occurs, another worker's in each group."""
    carriers = torch.zeros(GROUPS, QUERIES, WORKERS, dtype=torch.bool)
    for group in range(GROUPS):
        carriers[group, 1, group] = carriers[group, 2, [3, 4]] = carriers[group, 3, [5, 6, (group + 1) % 3]] = True
    return carriers


def _batches() -> list[Tensor]:
    everybody = torch.arange(WORKERS)[None]
    return [everybody, *(exactly(lost, workers=WORKERS, masks=MASKS, seed=lost) for lost in (2, 5))]


def _is_degraded(carriers: Tensor, arrived: Tensor, query: int) -> bool:
    own = {worker for worker in range(WORKERS) if carriers[query, worker]}
    return len(arrived) < WORKERS and not own & set(arrived.tolist())


def test_a_query_is_degraded_where_somebody_is_missing_and_no_carrier_arrived() -> None:
    carriers, masks = _carriers(), [mask for batch in _batches() for mask in batch]
    found = find_degraded(carriers, _batches())
    assert found.shape == (GROUPS, 2 * MASKS + 1, QUERIES)
    for group in range(GROUPS):
        expected = [[_is_degraded(carriers[group], mask, query) for query in range(QUERIES)] for mask in masks]
        assert found[group].tolist() == expected
        assert find_degraded(carriers[group], _batches()).tolist() == expected
    assert not bool(found[:, 0].any())
    assert bool(found[:, 1:, 0].all())
    assert 0 < int(found[:, :, 2].sum()) < found[:, :, 2].numel()


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_degraded_queries_and_those_that_are_right_are_counted(space: DecodeSpace) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(OUTPUTS, (GROUPS, QUERIES), generator=generator)
    truth = Truth.of(torch.randn(GROUPS, QUERIES, OUTPUTS, generator=generator), labels, decode_space=space)
    decoded = torch.randn(2 * MASKS + 1, GROUPS, QUERIES, OUTPUTS, generator=generator)
    whole = torch.rand(GROUPS, generator=generator)
    found = measure_availability(
        iter(decoded.split([4, 7])), truth, available=whole, carriers=_carriers(), batches=_batches()
    )
    is_degraded = find_degraded(_carriers(), _batches())
    for group in range(GROUPS):
        for mask in range(2 * MASKS + 1):
            lost = [query for query in range(QUERIES) if is_degraded[group, mask, query]]
            right = [query for query in lost if decoded[mask, group, query].argmax() == labels[group, query]]
            assert found.degraded[group, mask] == len(lost) / QUERIES
            assert found.right[group, mask] == len(right) / QUERIES
    assert 0 < float(found.right.sum()) < float(found.degraded.sum())
    assert torch.equal(found.available, whole)
    assert (found.carriers, found.workers) == ((1, 1, 1, 1), WORKERS)


@pytest.mark.parametrize(
    ("carriers", "expected"),
    [
        (EYE == 1, (0, 3)),
        (torch.stack([EYE, EYE.flip(0)]) == 1, (0, 3)),
        (torch.stack([EYE, torch.zeros(3, 3).double()]) == 1, (3, 3)),
        (torch.zeros(3, 3) == 1, (3,)),
    ],
    ids=["one group", "groups alike", "groups that differ", "nobody"],
)
def test_carriers_are_counted_in_one_group_or_in_all_where_they_differ(
    carriers: Tensor, expected: tuple[int, ...]
) -> None:
    groups = len(carriers) if carriers.ndim > 2 else 2
    truth = Truth.of(torch.zeros(groups, 3, 2), torch.zeros(groups, 3, dtype=torch.int64), decode_space="logits")
    found = measure_availability(
        [torch.zeros(1, groups, 3, 2)],
        truth,
        available=torch.ones(groups),
        carriers=carriers,
        batches=[torch.tensor([[0, 1]])],
    )
    assert found.carriers == expected
