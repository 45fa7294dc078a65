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


def _fail(_: Tensor) -> Tensor:
    raise RuntimeError("size mismatch\nand more")


def test_the_shape_of_a_query_and_the_outputs_are_measured() -> None:
    assert measure_outputs(_Model(lambda x: x.new_zeros(len(x), 4)), _DATA, model_name="m") == ((2, 5), 4)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: (x,), r"a tuple\.$"),
        (lambda x: x, r"torch\.float32 of shape \(1, 2, 5\)\.$"),
        (lambda _: torch.zeros(3, 4), r"torch\.float32 of shape \(3, 4\)\.$"),
        (lambda x: torch.zeros(len(x), 0), r"torch\.float32 of shape \(1, 0\)\.$"),
        (lambda x: torch.zeros(len(x), 4, dtype=torch.int64), r"torch\.int64 of shape \(1, 4\)\.$"),
        (lambda x: torch.full((len(x), 4), torch.nan), r"NaN or infinity\.$"),
    ],
    ids=["tuple", "axes", "count", "no outputs", "whole numbers", "nan"],
)
def test_answers_that_are_no_finite_vectors_are_refused(function: Callable[[Tensor], object], got: str) -> None:
    must = r"^`m` must answer 1 queries with finite floats of shape \(1, classes\), but got "
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
