"""The check that a model answers the queries it is given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nercc_tune.errors import OutputError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.workload import QuerySource

__all__ = ["measure_outputs"]


def _answer(model: nn.Module, queries: Tensor, model_name: str) -> object:
    try:
        with torch.no_grad():
            answer: object = model(queries)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError, NotImplementedError) as error:
        reason = one_line(str(error).strip().split("\n")[0])
        raise WorkloadError(
            f"`{model_name}` must answer any number of queries of shape {tuple(queries.shape[1:])}, "
            f"but fails on {len(queries)} ({reason}); export a program with a dynamic batch axis."
        ) from error
    return answer


def _check_answer(answer: object, count: int, model_name: str) -> Tensor:
    must = f"`{model_name}` must answer {count} queries with finite floats of shape ({count}, classes), but got"
    if not isinstance(answer, Tensor):
        raise OutputError(f"{must} a {type(answer).__name__}.")
    if not (answer.is_floating_point() and answer.ndim == 2 and answer.shape[0] == count and answer.shape[1] > 0):
        raise OutputError(f"{must} {answer.dtype} of shape {tuple(answer.shape)}.")
    if not torch.isfinite(answer).all():
        raise OutputError(f"{must} NaN or infinity.")
    return answer


def measure_outputs(model: nn.Module, data: QuerySource, *, model_name: str) -> tuple[tuple[int, ...], int]:
    """Run one query, and then two at once, and return the shape of a query and the number of outputs.

    Raises:
        WorkloadError: The model cannot take the queries, or only a fixed number of them.
        OutputError: Its answers are not finite vectors, or have no entry for some label.
    """
    query, _ = data.load([0])
    outputs = _check_answer(_answer(model, query, model_name), 1, model_name).shape[1]
    _check_answer(_answer(model, torch.cat([query, query]), model_name), 2, model_name)
    largest = int(data.labels.max())
    if not outputs > largest:
        raise OutputError(
            f"`{model_name}` must have an output for each label of `{data.name}`, "
            f"but got {outputs} outputs for labels up to {largest}."
        )
    return tuple(query.shape[1:]), outputs
