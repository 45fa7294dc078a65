from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.errors import OutputError, WorkloadError
from nercc_tune.workloads.output_check import measure_outputs
from nercc_tune.workloads.queries import ArrayQueries

_DATA = ArrayQueries(name="npz", queries=torch.ones(3, 2, 5), labels=torch.tensor([0, 3, 1]))


class _Model(nn.Module):
    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, queries: Tensor) -> object:
        return self.function(queries)


class _Counts:
    """A model whose answers drift from call to call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, queries: Tensor) -> Tensor:
        self.calls += 1
        return _linear(queries) * (1 + 1e-3 * self.calls)


def _linear(queries: Tensor) -> Tensor:
    weight = torch.linspace(-1, 1, 40).reshape(10, 4).sin()
    return queries.flatten(1) @ weight.to(queries.dtype)


def _normalised(queries: Tensor) -> Tensor:
    return _linear(nn.functional.batch_norm(queries, None, None, training=True))


_VARIED = ArrayQueries(
    name="npz", queries=torch.randn(9, 2, 5, generator=torch.Generator().manual_seed(0)), labels=torch.arange(9) % 4
)


def _fail(_: Tensor) -> Tensor:
    raise RuntimeError("size mismatch\nand more")


def test_the_shape_of_a_query_and_the_outputs_are_measured() -> None:
    assert measure_outputs(_Model(lambda x: x.new_zeros(len(x), 4)), _DATA, model_name="m") == ((2, 5), 4)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: (x,), r"a tuple; let its `forward` return the logits alone\.$"),
        (lambda x: x, r"torch\.float32 of shape \(1, 2, 5\)\.$"),
        (lambda _: torch.zeros(3, 4), r"torch\.float32 of shape \(3, 4\)\.$"),
        (lambda x: torch.zeros(len(x), 0), r"torch\.float32 of shape \(1, 0\)\.$"),
        (lambda x: torch.zeros(len(x), 4, dtype=torch.int64), r"torch\.int64 of shape \(1, 4\)\.$"),
        (lambda x: torch.full((len(x), 4), torch.nan), r"NaN or infinity; check its weights and the queries\.$"),
    ],
    ids=["tuple", "axes", "count", "no outputs", "whole numbers", "nan"],
)
def test_answers_that_are_no_finite_vectors_are_refused(function: Callable[[Tensor], object], got: str) -> None:
    must = r"^`m` must answer a query with finite floats of shape \(1, classes\), but got "
    with pytest.raises(OutputError, match=must + got):
        measure_outputs(_Model(function), _DATA, model_name="m")


def test_a_model_of_one_query_at_a_time_is_refused() -> None:
    with pytest.raises(OutputError, match=r"^`m` must answer 2 queries with finite floats .* of shape \(1, 4\)\.$"):
        measure_outputs(_Model(lambda _: torch.zeros(1, 4)), _DATA, model_name="m")


def test_a_label_without_an_output_is_refused() -> None:
    with pytest.raises(OutputError, match=r"^`m` must have an output for each label of `npz`, but got 3 .* up to 3\.$"):
        measure_outputs(_Model(lambda x: x.new_zeros(len(x), 3)), _DATA, model_name="m")


def test_a_failing_model_is_told_in_one_line() -> None:
    with pytest.raises(
        WorkloadError,
        match=r"^`m` must answer any number of queries of shape \(2, 5\), but fails on 1 \(size mismatch\); "
        r"check which channels, size and type of queries it expects\.$",
    ):
        measure_outputs(_Model(_fail), _DATA, model_name="m")


def test_a_program_of_a_fixed_batch_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(10, 4))
    for batch in (1, 2):
        program = torch.export.export(model, (torch.zeros(batch, 2, 5),)).module()
        with pytest.raises(
            WorkloadError, match=rf"but fails on {3 - batch} \(Guard .*export a program with a dynamic batch"
        ):
            measure_outputs(program, _DATA, model_name="m")


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (
            lambda x: _linear(nn.functional.dropout(x, 0.2, training=True)),
            r"asked twice gives answers that differ by up",
        ),
        (lambda x: _linear(x + 1e-3 * torch.randn_like(x)), r"asked twice .*: dropout or noise is left on, or the mo"),
        (lambda x: _linear(nn.functional.dropout(x, 0.3, training=True)).softmax(-1), r"asked twice gives answers"),
        (_Counts(), r"the same query asked twice .* or the model changes from call to call; serve or export it in ev"),
        (_normalised, r"a query alone and the same query in a batch of 2 give .*batch normalisation in training mode"),
        (lambda x: _linear(x / x.abs().max()), r"in a batch of \d give answers .* scales are taken over the batch"),
        (lambda x: _linear(x - x.mean(0) * (len(x) > 2)), r"in a batch of 4 give answers"),
        (lambda x: _linear(x) + torch.arange(len(x))[:, None], r"the same query first and last in a batch of 4 gives"),
        (lambda x: _linear(x - 1e-3 * x.mean(0)), r"a query alone and the same query in a batch of 2 give answers"),
        (
            lambda x: _linear(x.cumsum(0)),
            r"first and last in a batch of 4 gives .* mixes the queries of a batch, or tr",
        ),
    ],
    ids=["dropout", "noise", "softmax", "drift", "norm", "scale", "mean", "place", "little", "sum"],
)
def test_a_model_that_is_no_function_of_one_query_is_refused(function: Callable[[Tensor], object], match: str) -> None:
    with pytest.raises(OutputError, match=rf"^`m` must be a function of one query, but .*{match}"):
        measure_outputs(_Model(function), _VARIED, model_name="m")


def test_a_model_that_changes_one_answer_of_many_is_refused() -> None:
    """As stochastic depth does that was left on: of a few queries it may change none."""
    calls = 0

    def rarely(queries: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return _linear(queries) * torch.where((torch.arange(len(queries)) == 40) & (calls % 2 == 0), 0.0, 1.0)[:, None]

    many = ArrayQueries(
        name="npz",
        queries=torch.randn(200, 2, 5, generator=torch.Generator().manual_seed(0)),
        labels=torch.arange(200) % 4,
    )
    with pytest.raises(OutputError, match="the same query asked twice gives answers that differ"):
        measure_outputs(_Model(rarely), many, model_name="m")


@pytest.mark.parametrize(
    "function",
    [
        _linear,
        lambda x: _linear(x).softmax(-1),
        lambda x: _linear(x * 40).softmax(-1),
        lambda x: _linear(x.bfloat16()).float() * (1 + 2e-3 * (len(x) > 1)),
        lambda x: _linear(x) * (1 + 1e-6 * len(x)),
    ],
    ids=["plain", "softmax", "sharp softmax", "bfloat16 that rounds by batch", "float32 that rounds by batch"],
)
def test_rounding_by_batch_size_is_no_reason_to_refuse(function: Callable[[Tensor], object]) -> None:
    assert measure_outputs(_Model(function), _VARIED, model_name="m") == ((2, 5), 4)


def test_a_program_exported_in_training_mode_is_refused() -> None:
    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(12, 4)).train()
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model, (torch.zeros(2, 2, 5),), dynamic_shapes=shapes).module()
    with pytest.raises(
        OutputError, match=r"in a batch of 2 give .*; serve or export it in evaluation mode \(`model\.ev"
    ):
        measure_outputs(program, _VARIED, model_name="m.pt2")


def test_probabilities_that_are_none_are_refused() -> None:
    model = _Model(_linear)
    with pytest.raises(OutputError, match=r"^`m` must give probabilities, as `workload\.outputs` says, but gives -"):
        measure_outputs(model, _VARIED, model_name="m", output_kind="probabilities")
    with pytest.raises(OutputError, match=r"but gives rows that sum to \S+ to \S+; leave `outputs` out for logits, or"):
        measure_outputs(_Model(lambda x: _linear(x).sigmoid()), _VARIED, model_name="m", output_kind="probabilities")
    model = _Model(lambda x: _linear(x).softmax(-1))
    assert measure_outputs(model, _VARIED, model_name="m", output_kind="probabilities") == ((2, 5), 4)
