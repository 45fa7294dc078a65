"""The check that a model answers the queries it is given, each for itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nercc_tune.errors import OutputError
from nercc_tune.records import OutputKind
from nercc_tune.workloads.answering import ask
from nercc_tune.workloads.workload import QuerySource

__all__ = ["are_probabilities", "measure_outputs"]

_QUERIES = 4
_REPEATED_QUERIES = 64  # what changes one answer in twenty, as stochastic depth may, is missed in 1 of 700

# The same call gives the same bits, but where a library picks its kernels by how the memory lies.
_REPEATED = 1e-5
# Kernels for other batch sizes round differently: by at most 1e-6 of the largest output, measured on twenty networks of
# timm in float32, and by 3e-3 in bfloat16. Dropout and batch statistics make differences of percents.
_BATCHED = 1e-4
_BATCHED_LOW = 2e-2
_LOW = (torch.bfloat16, torch.float16)

# The sum of a thousand probabilities that are rounded to bfloat16, of half a percent each.
_SUM = 1e-2

_MUST = "`{}` must be a function of one query"
_IN_TRAINING = "serve or export it in evaluation mode (`model.eval()`)"


def measure_outputs(
    model: nn.Module, data: QuerySource, *, model_name: str, output_kind: OutputKind = "logits"
) -> tuple[tuple[int, ...], int]:
    """Run a few queries alone, together and in another order; return the shape of a query and the number of outputs.

    Raises:
        WorkloadError: The model cannot take the queries, or only a fixed number of them.
        OutputError: Its answers are not finite vectors, are not a function of one query each, have no entry for some
            label, or are not the probabilities that they are said to be.
    """
    last = len(data) - 1
    queries, _ = data.load(sorted({last * step // (_QUERIES - 1) for step in range(_QUERIES)}))
    answers = _ask_in_all_ways(model, queries, model_name)
    many, _ = data.load(sorted({last * step // (_REPEATED_QUERIES - 1) for step in range(_REPEATED_QUERIES)}))
    _ask_twice(model, many, model_name)
    largest, outputs = int(data.labels.max()), answers.shape[1]
    if not outputs > largest:
        raise OutputError(
            f"`{model_name}` must have an output for each label of `{data.name}`, "
            f"but got {outputs} outputs for labels up to {largest}."
        )
    if output_kind == "probabilities" and not are_probabilities(answers):
        raise OutputError(
            f"`{model_name}` must give probabilities, as `workload.outputs` says, but gives {_describe(answers)}; "
            f"leave `outputs` out for logits, or end the model in a softmax."
        )
    return tuple(queries.shape[1:]), outputs


def are_probabilities(outputs: Tensor) -> bool:
    """Whether each row [n, c] is non-negative and sums to one, up to the rounding of bfloat16.

    >>> are_probabilities(torch.tensor([[0.25, 0.75]])), are_probabilities(torch.tensor([[-0.25, 1.25]]))
    (True, False)
    """
    values = outputs.double()
    return bool((values >= 0).all()) and bool(((values.sum(-1) - 1).abs() <= _SUM).all())


def _ask_in_all_ways(model: nn.Module, queries: Tensor, model_name: str) -> Tensor:
    answer = partial(ask, model, model_name=model_name)
    must = _MUST.format(model_name)
    alone = answer(queries[:1])
    pair = answer(queries[:2] if len(queries) > 1 else queries[[0, 0]])
    together = _ask_twice(model, queries, model_name)
    tolerance = _BATCHED
    if _difference(alone, together[:1], _BATCHED) and _is_low(model, queries[:1]):
        tolerance = _BATCHED_LOW
    for first, second, count in ((alone, pair[:1], 2), (alone, together[:1], len(queries))):
        if told := _difference(first, second, tolerance):
            raise OutputError(
                f"{must}, but a query alone and the same query in a batch of {count} give {told}: statistics or scales "
                f"are taken over the batch, as by batch normalisation in training mode; {_IN_TRAINING}."
            )
    if told := _difference(together, answer(queries.flip(0)).flip(0), tolerance):
        raise OutputError(
            f"{must}, but the same query first and last in a batch of {len(queries)} gives {told}: its `forward` mixes "
            f"the queries of a batch, or treats them by their places; {_IN_TRAINING}."
        )
    return together


def _ask_twice(model: nn.Module, queries: Tensor, model_name: str) -> Tensor:
    first, again = ask(model, queries, model_name=model_name), ask(model, queries, model_name=model_name)
    if told := _difference(first, again, _REPEATED):
        raise OutputError(
            f"{_MUST.format(model_name)}, but the same query asked twice gives {told}: dropout or noise is left on, or "
            f"the model changes from call to call; {_IN_TRAINING}."
        )
    return first


def _difference(first: Tensor, second: Tensor, tolerance: float) -> str | None:
    """Say by how much answers differ where that is more than rounding; probabilities are compared by logarithms."""
    if first.shape != second.shape:
        return f"{first.shape[-1]} and {second.shape[-1]} outputs"
    first, second = first.double(), second.double()
    far, size = float((first - second).abs().max()), float(torch.cat([first, second]).abs().max())
    if are_probabilities(first) and are_probabilities(second):
        least = torch.finfo(torch.float32).tiny
        logs, others = first.clamp_min(least).log(), second.clamp_min(least).log()
        is_far = float((logs - others).abs().max()) > tolerance * max(1.0, float(logs.abs().max()))
    else:
        is_far = far > tolerance * size
    return f"answers that differ by up to {far:.2g}, of {size:.2g} at most" if is_far else None


class _DtypeWatch(TorchDispatchMode):
    """Notes whether anything is computed in half precision."""

    is_low: bool

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch annotates a part
        self.is_low = False

    def __torch_dispatch__(
        self, function: Callable[..., Any], _: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = function(*args, **(kwargs or {}))
        several = given if isinstance(given, tuple | list) else (given,)
        self.is_low |= any(isinstance(value, Tensor) and value.dtype in _LOW for value in several)
        return given


def _is_low(model: nn.Module, queries: Tensor) -> bool:
    """Whether a model computes in half precision somewhere, as under autocast."""
    watch = _DtypeWatch()
    with torch.no_grad(), watch:
        model(queries)
    return watch.is_low


def _describe(answers: Tensor) -> str:
    if float(answers.min()) < 0:
        return f"{float(answers.min()):.3g} among others"
    sums = answers.double().sum(-1)
    return f"rows that sum to {float(sums.min()):.3g} to {float(sums.max()):.3g}"
