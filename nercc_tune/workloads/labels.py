"""Labels in the forms that people keep them in, as whole numbers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import show

__all__ = ["read_labels"]

_MOST = 2**31  # more classes than any model has


def read_labels(labels: NDArray[np.generic], count: int) -> torch.Tensor:
    """Read one label for each of `count` images, int64 [n].

    They may be integers, floats or digits in text that are whole numbers, of shape [n], [n, 1] or [1, n], or one-hot
    rows [n, c].

    Raises:
        WorkloadError: They are something else.
    """
    must = f"`labels` must be {count or 'one or more'} whole numbers >= 0, one for each image"
    got = f"{labels.dtype} of shape {labels.shape}"
    if labels.shape not in {(count,), (count, 1), (1, count)}:
        if labels.ndim == 2 and len(labels) == count > 0:
            return _from_rows(labels, f"{must}, or one-hot rows, but got {got}")
        raise WorkloadError(f"{must}, but got {got}.")
    values = labels.reshape(-1)
    if not (count > 0 and values.dtype.kind in "biufUS"):
        raise WorkloadError(f"{must}, but got {got}.")
    try:
        numbers = values.astype(np.float64)
    except ValueError as error:
        raise WorkloadError(f"{must}, but got text like {show(values[0].item())}; number the classes.") from error
    wrong = ~((numbers >= 0) & (numbers < _MOST) & (numbers == np.floor(numbers)))
    if wrong.any():
        raise WorkloadError(f"{must}, but got {got} that holds {show(values[wrong][0].item())}.")
    return torch.from_numpy(numbers.astype(np.int64))


def _from_rows(rows: NDArray[np.generic], problem: str) -> torch.Tensor:
    is_plain = rows.dtype.kind in "biuf"
    if not (is_plain and (((rows == 0) | (rows == 1)).all() and ((rows == 1).sum(1) == 1).all())):
        raise WorkloadError(f"{problem} in which not every row is one 1 among zeros; take the class of each row.")
    return torch.from_numpy((rows == 1).argmax(1).astype(np.int64))
