"""A device that is far from the CPU, without one: its tensors compute, but mix with none of the CPU's unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

FAR = torch.device("meta")
"""Stands for the device; torch's own tensors there hold no numbers."""

# What torch lets mix: an index and a number may be the CPU's, and copies are what moves between devices.
_MAY_MIX = ("aten._to_copy.", "aten.to.", "aten.copy_.")
_INDEXED = ("aten.index.", "aten.index_put_.")


class FarTensor(Tensor):
    """Holds its numbers on the CPU and says that it is far away."""

    near: Tensor

    @staticmethod
    def __new__(kind: type[FarTensor], near: Tensor) -> FarTensor:  # noqa: PYI034 - a subclass has no use for it
        made: FarTensor = Tensor._make_wrapper_subclass(
            kind, near.shape, strides=near.stride(), dtype=near.dtype, device=FAR
        )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's stubs take it for a method
        cls, function: Callable[..., Any], _: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(function, args, kwargs or {})


class _Far(TorchDispatchMode):
    def __torch_dispatch__(
        self, function: Callable[..., Any], _: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(function, args, kwargs or {})


@contextmanager
def far_device() -> Iterator[torch.device]:
    """Let tensors be made on the far device, and be moved there and back, inside the block."""
    with _Far():  # type: ignore[no-untyped-call]  # torch annotates a part
        yield FAR


def _run(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = _tensors((args, kwargs))
    is_far = any(isinstance(value, FarTensor) for value in tensors)
    checked = _tensors((args[0], args[2:])) if str(function).startswith(_INDEXED) else tensors
    is_mixed = is_far and any(value.ndim and not isinstance(value, FarTensor) for value in checked)
    if is_mixed and not str(function).startswith(_MAY_MIX):
        raise RuntimeError(f"`{function}` got tensors on the CPU and on another device.")
    near_args, near_kwargs = tree_map(_near, args), tree_map(_near, kwargs)
    for device in (*args, kwargs.get("device")):  # where the result is asked for
        if isinstance(device, torch.device):
            is_far = device == FAR
    result = function(*near_args, **near_kwargs)
    if str(function).split(".")[1].endswith("_"):  # in place
        return args[0]
    if not is_far:
        return result
    with torch.inference_mode(any(value.is_inference() for value in tensors)):
        return tree_map(lambda value: FarTensor(value) if isinstance(value, Tensor) else value, result)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, Tensor)]


def _near(value: Any) -> Any:
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.near if isinstance(value, FarTensor) else value
