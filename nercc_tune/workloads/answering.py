"""Asking a model, and saying in one line why it does not answer."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from nercc_tune.errors import OutputError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.program import is_program

__all__ = ["ask"]

# Batch sizes that programs are commonly exported with.
_OTHER_COUNTS = (2, 4, 8, 16, 32)

_FIXED_BATCH = re.compile(r"Guard failed: .*(size\(\)|shape)\[0\]")
_TRAINING = re.compile(r"when training")
_DTYPE = re.compile(r"same dtype|should be the same|Half|BFloat16|ComplexFloat")


def ask(model: nn.Module, queries: Tensor, *, model_name: str) -> Tensor:
    """Return the answers [B, c] to queries [B, …].

    Raises:
        WorkloadError: The model fails.
        OutputError: Its answers are not finite vectors.
    """
    try:
        with torch.no_grad():
            answer: object = model(queries)
    except Exception as error:  # a user's model may raise anything
        reason = _reason(error)
        raise WorkloadError(
            f"`{model_name}` must answer any number of queries of shape {tuple(queries.shape[1:])}, "
            f"but fails on {len(queries)} ({one_line(reason)}); {_advise(model, queries, reason, model_name)}."
        ) from error
    return _check(answer, len(queries), model_name)


def _reason(error: Exception) -> str:
    """Return the line of an error that says why: TorchScript begins with a traceback, others end with details."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "TorchScript" in lines[0] else lines[0]


def _advise(model: nn.Module, queries: Tensor, reason: str, model_name: str) -> str:
    if _TRAINING.search(reason):
        return "it is in training mode: export it after `model.eval()`"
    if _DTYPE.search(reason):
        return "its weights must be float32: export it after `model.float()`"
    is_guard = _FIXED_BATCH.search(reason) is not None  # of an exported program
    if is_guard or any(_answers(model, queries, count) for count in _OTHER_COUNTS):
        if is_guard or is_program(model_name):
            return "export a program with a dynamic batch axis"
        return "let its `forward` take any number of queries"
    return "check which channels, size and type of queries it expects"


def _answers(model: nn.Module, queries: Tensor, count: int) -> bool:
    """Whether a model that failed on some queries answers another number of them."""
    if count == len(queries):
        return False
    try:
        with torch.no_grad():
            model(queries[:1].expand(count, *queries.shape[1:]).contiguous())
    except Exception:  # noqa: BLE001 - the same
        return False
    return True


def _check(answer: object, count: int, model_name: str) -> Tensor:
    queries = "a query" if count == 1 else f"{count} queries"
    must = f"`{model_name}` must answer {queries} with finite floats of shape ({count}, classes), but got"
    if not isinstance(answer, Tensor):
        raise OutputError(f"{must} a {type(answer).__name__}; let its `forward` return the logits alone.")
    if not (answer.is_floating_point() and answer.ndim == 2 and answer.shape[0] == count and answer.shape[1] > 0):
        raise OutputError(f"{must} {answer.dtype} of shape {tuple(answer.shape)}.")
    if not torch.isfinite(answer).all():
        raise OutputError(f"{must} NaN or infinity; check its weights and the queries.")
    return answer
