"""The codecs: what is sent is what the codes say, and what is read what they estimate."""

from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import GroupCode, KrigingCode, NerccCode, Placement, ReplicationCode, TrainedCode, node_set
from nercc_tune.errors import ServiceError
from nercc_tune.records import Design, Kernel
from nercc_tune.service.code_codec import CodeCodec, bears_of
from nercc_tune.service.expected_errors import ExpectedErrors
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.probabilities import onto_simplex
from nercc_tune.serving.served_code import ServedCode

QUERIES = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def test_copies_are_found_wherever_a_code_puts_them() -> None:
    code = GroupCode(
        lambda nodes: KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(range=0.5)),
        queries=4,
        workers=10,
        placement=Placement(nodes="copies-2", ordering="nearest-neighbour", assignment="interleaved", rack=2),
    )
    group = CodeCodec(code=code, decode_space="logits").on(QUERIES)
    assert all(group.bears.count(query) >= 2 for query in range(4))
    for task, query in enumerate(group.bears):
        sent = [other for other in range(4) if torch.allclose(group.coded(task), QUERIES[other], atol=1e-6)]
        assert sent == ([] if query is None else [query])


def test_a_code_without_copies_has_none_and_replication_nothing_else() -> None:
    smooth = NerccCode(node_set("chebyshev", queries=4, workers=10), lambda_enc=1e-3, lambda_dec=0.0)
    assert bears_of(smooth) == (None,) * 10
    assert bears_of(ReplicationCode(queries=2, workers=5)) == (0, 1, 0, 1, 0)
    parity = TrainedCode(queries=2, workers=3, mixer=torch.nn.Identity(), parity_networks=(torch.nn.Identity(),))
    assert bears_of(parity) == (0, 1, None)


@pytest.mark.parametrize("space", ["probabilities", "logits", "logits-softmax"])
def test_estimates_are_those_of_the_code_in_its_space(space: str) -> None:
    design = Design(nodes="copies-2", ordering="nearest-neighbour", decode_space=space)  # type: ignore[arg-type]  # one of them
    code = ServedCode(design, queries=4, workers=10, lambda_enc=0.0, parameter=1e-4)
    group = CodeCodec(code=code, decode_space=design.decode_space).on(QUERIES)
    answers, tasks = 2 * torch.stack([group.coded(task) for task in range(9)]), range(9)
    by_hand = code.on(QUERIES)
    if space == "probabilities":
        wanted = onto_simplex(by_hand.decode(answers.softmax(-1), tasks))
    else:
        wanted = by_hand.decode(answers, tasks).softmax(-1)
    read = group.read(answers, tasks)
    assert torch.allclose(read.probabilities, wanted, atol=1e-6)
    assert torch.allclose(read.probabilities.sum(-1), torch.ones(4))
    assert bool((read.probabilities >= 0).all())
    assert read.expected_errors is None
    assert torch.allclose(group.own(answers[0]), answers[0].softmax(-1))


def test_the_expected_error_goes_with_the_estimates_where_it_is_known() -> None:
    code = NerccCode(node_set("chebyshev", queries=4, workers=6), lambda_enc=0.0, lambda_dec=0.0)
    errors = ExpectedErrors.of({2: 0.5}, bears_of(code), queries=4)
    group = CodeCodec(code=code, decode_space="logits", expected=errors).on(QUERIES)
    answers = torch.stack([group.coded(task) for task in range(6)])
    assert group.read(answers[:5], range(5)).expected_errors == (0.5,) * 4
    assert group.read(answers[:3], range(3)).expected_errors is None


def test_an_answer_that_is_no_number_is_named_and_estimates_that_are_none_are_refused() -> None:
    code = NerccCode(node_set("chebyshev", queries=4, workers=6), lambda_enc=0.0, lambda_dec=0.0)
    group = CodeCodec(code=code, decode_space="logits").on(QUERIES)
    answers = torch.stack([group.coded(task) for task in range(6)])
    answers[2] = torch.nan
    assert group.read(answers, range(6)).suspects == (2,)
    with pytest.raises(ServiceError, match="an estimate is not finite: the answers are too large"):
        group.read(torch.full((6, 3), 3e38) * torch.tensor([1.0, -1.0, 1.0]), range(6))


def test_plain_queries_are_sent_and_answers_are_what_they_mean() -> None:
    group = PlainCodec(tasks=2).on(QUERIES[:1])
    assert group.bears == (0, 0)
    assert torch.equal(group.coded(1), QUERIES[0])
    assert torch.allclose(group.own(QUERIES[1]), QUERIES[1].softmax(-1))
    with pytest.raises(ServiceError, match="nothing can be decoded where nothing is coded"):
        group.read(QUERIES, (0,))
    with pytest.raises(ServiceError, match="a group must be one query where nothing is coded, but got 4"):
        PlainCodec().on(QUERIES)
