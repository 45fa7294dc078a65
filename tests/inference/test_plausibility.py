from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nercc_tune.inference.plausibility import describe_implausible
from nercc_tune.workloads import Workload
from nercc_tune.workloads.queries import ArrayQueries
from tests.fakes import tiny_workload

CLASSES = 10


def _workload(labels: Tensor, **changes: object) -> Workload:
    data = ArrayQueries(name="vectors", queries=torch.zeros(len(labels), 3), labels=labels)
    changes = {"data": data, "weights_source": "checkpoint", **changes}
    return replace(tiny_workload(), **changes)  # type: ignore[arg-type]  # any of its fields


def _labels(count: int, *, classes: int = CLASSES) -> Tensor:
    return torch.arange(count) % classes


def _logits(labels: Tensor, *, right: int, classes: int = CLASSES) -> Tensor:
    """Return logits that name the label of the first `right` queries, and the class after it for all others."""
    named = torch.where(torch.arange(len(labels)) < right, labels, (labels + 1) % classes)
    noise = torch.randn(len(labels), classes, generator=torch.Generator().manual_seed(0))
    return noise.clamp(-2, 2) + 8 * torch.nn.functional.one_hot(named, classes)


def _describe(outputs: Tensor, labels: Tensor, *, queries: Tensor | None = None, **changes: object) -> str | None:
    queries = torch.rand(len(labels), 1, 8, 8) if queries is None else queries
    return describe_implausible(_workload(labels, **changes), queries, outputs, labels)


@pytest.mark.parametrize(("right", "count"), [(43, 400), (0, 400), (5, 50), (2, 20)])
def test_an_accuracy_near_chance_is_told(right: int, count: int) -> None:
    told = _describe(_logits(_labels(count), right=right), _labels(count))
    assert told is not None
    assert f"the uncoded accuracy {right / count:.1%} [" in told
    assert f"on {count} queries may be the 10.0% of guessing among 10 outputs" in told
    assert told.count(";") == 0


@pytest.mark.parametrize(
    ("right", "count", "classes"),
    [(380, 400, 10), (72, 400, 10), (5, 5, 10), (4, 5, 10), (4, 4, 2), (3, 4, 2), (9, 10, 2)],
)
def test_no_warning_for_a_good_model_on_few_queries_or_a_fair_one_on_many(right: int, count: int, classes: int) -> None:
    labels = _labels(count, classes=classes)
    assert _describe(_logits(labels, right=right, classes=classes), labels) is None


def test_the_commonest_label_is_the_chance_where_labels_are_uneven() -> None:
    labels = (torch.arange(400) >= 320).long()
    told = _describe(5 - 10 * torch.nn.functional.one_hot(1 - labels * 0, 2) + torch.randn(400, 2) / 9, labels)
    assert told is not None
    assert "accuracy 80.0% [75.8%, 83.6%] on 400 queries may be the 80.0% of always naming the commonest label" in told
    assert _describe(_logits(labels, right=380, classes=2), labels) is None


def test_one_label_for_all_has_no_commonest() -> None:
    labels = torch.zeros(100, dtype=torch.int64)
    assert _describe(_logits(labels, right=95), labels) is None


def test_random_weights_are_not_blamed_for_their_accuracy() -> None:
    assert _describe(_logits(_labels(400), right=40), _labels(400), weights_source="random") is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_probabilities_are_told_unless_they_are_declared(dtype: torch.dtype) -> None:
    labels = _labels(100)
    outputs = _logits(labels, right=95).softmax(-1).to(dtype).float()
    told = _describe(outputs, labels)
    assert told is not None
    assert "the outputs already are probabilities, and get a second softmax (set `workload.outputs = " in told
    assert _describe(outputs, labels, output_kind="probabilities") is None


def test_log_probabilities_are_logits() -> None:
    assert _describe(_logits(_labels(100), right=95).log_softmax(-1), _labels(100)) is None


def test_outputs_of_a_sigmoid_are_told() -> None:
    told = _describe(_logits(_labels(100), right=95).sigmoid(), _labels(100))
    assert told is not None
    assert "all outputs lie between 0 and 1, as after a sigmoid" in told


def test_constant_outputs_are_told_and_their_accuracy_is_not() -> None:
    told = _describe(torch.ones(100, 1) * torch.randn(CLASSES), _labels(100))
    assert told is not None
    assert "all 100 queries get the same outputs" in told
    assert "accuracy" not in told


@pytest.mark.parametrize(
    ("queries", "reach"),
    [
        (torch.linspace(0, 255, 6400).reshape(100, 1, 8, 8), "0 to 255"),
        (torch.linspace(-123, 131, 6400).reshape(100, 1, 8, 8), "-123 to 131"),
        ((torch.arange(6400) % 256).float().reshape(100, 64), "0 to 255"),
    ],
    ids=["bytes as floats", "minus the mean", "flattened bytes"],
)
def test_queries_out_of_range_are_told_whatever_the_accuracy(queries: Tensor, reach: str) -> None:
    told = _describe(_logits(_labels(100), right=100), _labels(100), queries=queries)
    assert told is not None
    assert f"the queries reach from {reach}, where prepared images stay within ±20" in told


@pytest.mark.parametrize(
    "queries",
    [torch.randn(100, 3, 8, 8) * 2.5, torch.randn(100, 64) * 1000, (torch.arange(400) % 90).float().reshape(100, 4)],
    ids=["normalised", "features", "whole numbers"],
)
def test_queries_in_range_and_vectors_of_features_are_not_told(queries: Tensor) -> None:
    assert _describe(_logits(_labels(100), right=100), _labels(100), queries=queries) is None


def test_all_that_is_implausible_is_one_sentence() -> None:
    outputs = _logits(_labels(100), right=3).softmax(-1)
    told = _describe(outputs, _labels(100), queries=torch.full((100, 1, 8, 8), 99.0))
    assert told is not None
    assert told.startswith("the plain outputs are implausible, so the figures may mean nothing: the queries reach from")
    assert "; the outputs already are probabilities" in told
    assert "; the uncoded accuracy 3.0% [" in told
    assert "\n" not in told
