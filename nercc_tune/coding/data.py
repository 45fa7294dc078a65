"""What codes mix: tensors, or NumPy arrays, which come back as what they were."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Data", "like", "to_tensor"]

Data = TypeVar("Data", Tensor, NDArray[Any])


def to_tensor(name: str, data: object) -> Tensor:
    """Return a tensor as it is, and a NumPy array as a tensor.

    Raises:
        TypeError: If it is neither.
        ValueError: If it is an array of what no tensor can hold.
    """
    if isinstance(data, Tensor):
        return data
    if not isinstance(data, np.ndarray):
        raise TypeError(f"`{name}` must be a torch tensor or a NumPy array, but got {type(data).__name__}.")
    native = np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))
    try:
        return torch.from_numpy(native.copy() if not native.flags.writeable else native)
    except TypeError as error:
        raise ValueError(f"`{name}` must be an array of floating point numbers, but got {data.dtype}.") from error


def like(given: Data, result: Tensor) -> Data:
    """Return a result as what was given: a tensor, or an array."""
    return result.cpu().numpy() if isinstance(given, np.ndarray) else result
