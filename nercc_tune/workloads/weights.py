"""Reading and writing weights, without running what a file says."""

from __future__ import annotations

import os
import pickle
import struct
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["apply_weights", "read_weights", "write_weights"]

_READABLE = 0o644  # safetensors lets the owner alone read
_NESTED_UNDER = ("state_dict", "model")

# What the readers of torch and safetensors raise for files that were cut, changed or made to harm.
_BROKEN = (
    SafetensorError,
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)


def _unpickle(path: Path) -> object:
    try:
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        raise WorkloadError(
            f"`checkpoint` must be safetensors, or a pickle of tensors alone, but {one_line(path)} is neither."
        ) from error
    return loaded


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a weights file: safetensors, or a pickle of tensors, on their own or under `state_dict` or `model`.

    Half-precision weights are turned into float32.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else.
    """
    if not path.is_file():
        raise DataMissingError(f"`checkpoint` must be a weights file, but there is none at {one_line(path)}.")
    loaded: object
    if path.suffix == ".safetensors":
        try:
            loaded = load_file(path)
        except _BROKEN as error:
            raise WorkloadError(
                f"`checkpoint` must be safetensors, but {one_line(path)} is not: {one_line(error)}."
            ) from error
    else:
        loaded = _unpickle(path)
    for key in _NESTED_UNDER:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), Mapping):
            loaded = dict(loaded[key])
    if not (isinstance(loaded, dict) and loaded and all(isinstance(value, Tensor) for value in loaded.values())):
        raise WorkloadError(f"`checkpoint` must hold named tensors and nothing else, but {one_line(path)} does not.")
    return {str(name): value.float() if value.is_floating_point() else value for name, value in loaded.items()}


def apply_weights(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Load weights into a model.

    Raises:
        WorkloadError: Names or shapes are not those of the model.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in weights]
    unknown = [name for name in weights if name not in own]
    reshaped = [name for name in own if name in weights and own[name].shape != weights[name].shape]
    complaints = {"missing": missing, "unknown": unknown, "of another shape": reshaped}
    told = [f"{len(names)} {what} (`{one_line(names[0])}`)" for what, names in complaints.items() if names]
    if told:
        raise WorkloadError(f"the weights of {one_line(source)} must fit the model, but got {', '.join(told)}.")
    model.load_state_dict(weights)


def write_weights(path: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write half-precision safetensors, so that readers see the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {
        name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in weights.items()
    }
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        save_file(halves, aside, metadata=dict(metadata))
        aside.chmod(_READABLE)
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
