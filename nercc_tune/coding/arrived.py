"""Which workers arrived, as callers name them, and which of their answers can be used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.text.one_line import show

__all__ = ["Arrived", "NonFiniteAnswers", "sound_answers", "worker_numbers"]

Arrived = Tensor | NDArray[Any] | Sequence[int] | Sequence[bool]

_CALLER = 3  # of a code's `decode`


class NonFiniteAnswers(UserWarning):
    """Answers hold a NaN or an infinity, and were decoded as if they had not arrived."""


def worker_numbers(arrived: Arrived, count: int) -> Tensor:
    """Return the numbers [..., F] of the workers that arrived, int64 on the CPU.

    Args:
        arrived: Worker numbers, or a mask [N] of booleans.
        count: N.

    Raises:
        ValueError: If no worker arrived, or a number repeats, is not whole or not one of 0 … N − 1.
    """
    try:
        workers = torch.as_tensor(arrived)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`arrived` must hold whole numbers or booleans, but got {show(arrived)}.") from error
    if workers.dtype == torch.bool:
        if workers.shape != (count,):
            raise ValueError(f"`arrived` must be a mask of {count} workers, but got shape {tuple(workers.shape)}.")
        workers = workers.nonzero()[:, 0]
    if workers.ndim == 0 or workers.shape[-1] == 0:
        raise ValueError("`arrived` must name at least one worker, but got none.")
    if workers.is_floating_point():
        raise ValueError(f"`arrived` must hold whole numbers or booleans, but got {workers.dtype}.")
    workers = workers.to(device="cpu", dtype=torch.int64)
    if not bool(((workers >= 0) & (workers < count)).all()):
        raise ValueError(f"`arrived` must hold worker numbers from 0 to {count - 1}, but got {workers.tolist()}.")
    if not bool((workers.sort(-1).values.diff(dim=-1) > 0).all()):
        raise ValueError(f"`arrived` must name each worker once, but got {workers.tolist()}.")
    return workers


def sound_answers(
    answers: Tensor, workers: Tensor, *, dim: int, is_silent: bool
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Return the answers that are finite, who gave them, and the workers whose answers are left out.

    Args:
        answers: F of them along `dim`.
        workers: [F].
        dim: The axis that holds the answers.
        is_silent: Whether no warning names the workers that are left out.

    Raises:
        ValueError: If the counts differ, or no answer is finite.
    """
    if answers.shape[dim] != workers.shape[-1]:
        raise ValueError(
            f"`answers` must hold one answer for each of the {workers.shape[-1]} arrived workers along axis {dim}, "
            f"but got {answers.shape[dim]}."
        )
    if bool(answers.detach().sum().isfinite()):  # which it is not with a NaN or an infinity; and it is soon known
        return answers, workers, ()
    is_sound = answers.movedim(dim, 0).reshape(len(workers), -1).isfinite().all(1).cpu()
    suspects = tuple(workers[~is_sound].tolist())
    if not suspects:
        return answers, workers, ()
    if len(suspects) == len(workers):
        raise ValueError(f"`answers` must hold a finite answer, but all {len(workers)} have a NaN or infinity.")
    if not is_silent:
        names = ", ".join(map(str, suspects))
        warnings.warn(
            f"the answers of workers {names} hold a NaN or an infinity, and are decoded as if they had not arrived.",
            NonFiniteAnswers,
            stacklevel=_CALLER,
        )
    return answers.index_select(dim, is_sound.nonzero()[:, 0].to(answers.device)), workers[is_sound], suspects
