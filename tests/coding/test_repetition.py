from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, DefaultCode, ReplicationCode, UncodedCode, node_set
from nercc_tune.coding.repetition import RepetitionCode
from nercc_tune.records import BASELINES

REPLICATION = ReplicationCode(queries=3, workers=8)
UNCODED = UncodedCode(queries=3, workers=5)
DEFAULT = DefaultCode(queries=3, workers=5)
QUERIES = torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])


def test_replication_deals_the_queries_out_in_turn() -> None:
    assert REPLICATION.encode(QUERIES)[:, 0].tolist() == [1, 2, 4, 1, 2, 4, 1, 2]


def test_without_coding_the_first_workers_get_one_query_each_and_the_rest_zeros() -> None:
    assert UNCODED.encode(QUERIES)[:, 0].tolist() == [1, 2, 4, 0, 0]


@pytest.mark.parametrize("code", [REPLICATION, UNCODED, DEFAULT], ids=["replication", "uncoded", "default"])
def test_answered_queries_are_exact(code: RepetitionCode) -> None:
    coded = code.encode(QUERIES)
    assert torch.equal(code.decode(coded, range(code.workers)), QUERIES)
    assert torch.equal(code.decode(coded[1:3], [1, 2])[1:], QUERIES[1:])


def test_an_estimate_is_the_mean_of_its_own_answers() -> None:
    answers = torch.tensor([1.0, 2.0, 4.0, 1.5, 1.0, 9.0])
    assert REPLICATION.decode(answers, [0, 1, 2, 3, 4, 6]).tolist() == pytest.approx([11.5 / 3, 1.5, 4.0])


def test_an_unanswered_query_gets_the_mean_of_the_outputs_that_are_known() -> None:
    answers = torch.tensor([1.0, 3.0, 8.0])
    assert REPLICATION.decode(answers, [0, 3, 7]).tolist() == pytest.approx([2.0, 8.0, 5.0])
    assert UNCODED.decode(torch.tensor([1.0, 4.0]), [0, 2]).tolist() == pytest.approx([1.0, 2.5, 4.0])


def test_the_default_prediction_of_an_unanswered_query_is_zero() -> None:
    assert DEFAULT.decode(torch.tensor([1.0, 4.0]), [0, 2]).tolist() == [1.0, 0.0, 4.0]
    assert DEFAULT.decode(torch.tensor([4.0, 700.0]), [2, 4]).tolist() == [0.0, 0.0, 4.0]
    assert torch.equal(DEFAULT.encoder_matrix, UNCODED.encoder_matrix)


def test_what_idle_workers_answer_counts_for_nothing() -> None:
    answers = torch.tensor([1.0, 4.0, 700.0, -900.0])
    assert UNCODED.decode(answers, [0, 2, 3, 4]).tolist() == pytest.approx([1.0, 2.5, 4.0])


def test_where_only_idle_workers_arrived_the_estimates_are_zero() -> None:
    assert UNCODED.decode(torch.tensor([5.0, 6.0]), [3, 4]).tolist() == [0.0, 0.0, 0.0]


def test_in_a_batch_each_mask_falls_back_on_its_own_answers() -> None:
    matrices = UNCODED.decoder_matrix(torch.tensor([[0, 1], [1, 2], [3, 4]]))
    answers = torch.tensor([6.0, 2.0], dtype=torch.float64)
    assert (matrices @ answers).tolist() == [[6, 2, 4], [4, 6, 2], [0, 0, 0]]


@pytest.mark.parametrize("kind", [ReplicationCode, UncodedCode, DefaultCode])
def test_fewer_workers_than_queries_are_refused(kind: type[ReplicationCode | UncodedCode]) -> None:
    with pytest.raises(ValueError, match=r"`queries <= workers` must hold .* got 4 queries and 3 workers"):
        kind(queries=4, workers=3)


@pytest.mark.parametrize(("queries", "workers"), [(0, 3), (3, 0)])
def test_empty_codes_are_refused(queries: int, workers: int) -> None:
    with pytest.raises(ValueError, match=f"must be at least 1, but got {queries} and {workers}"):
        ReplicationCode(queries=queries, workers=workers)


def test_there_is_a_code_for_each_recorded_baseline() -> None:
    nodes = node_set("chebyshev", queries=4, workers=9)
    assert tuple(BASELINE_CODES) == BASELINES
    encoders: dict[str, Tensor] = {name: build(nodes).encoder_matrix for name, build in BASELINE_CODES.items()}
    assert {matrix.shape for matrix in encoders.values()} == {(9, 4)}
    assert len({tuple(matrix.flatten().tolist()) for matrix in encoders.values()}) == 4
