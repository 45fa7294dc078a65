"""Reading and writing weights, without running what a file says."""

from __future__ import annotations

import os
import pickle
import re
import struct
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.checkpoint import Checkpoint, find_weights, is_counter
from nercc_tune.workloads.unpickling import Skipped, load_tensors

__all__ = ["apply_checkpoint", "apply_weights", "read_checkpoint", "read_weights", "write_weights"]

_READABLE = 0o644  # safetensors lets the owner alone read
_LONGEST_HEAD = 32

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


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a file, as `read_checkpoint` does.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else.
    """
    return dict(read_checkpoint(path).weights)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a weights file, safetensors or a file of `torch.save` as its content says, whatever its name ends with.

    The tensors may be on their own or under a name, and anything may be beside them (`find_weights`). Half-precision
    weights are turned into float32.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else, or several models.
    """
    if not path.is_file():
        raise DataMissingError(f"`checkpoint` must be a weights file, but there is none at {one_line(path)}.")
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEAD)
    if head.startswith(b"version https://git-lfs"):
        raise WorkloadError(
            f"`checkpoint` must be a weights file, but {one_line(path)} is a pointer; run `git lfs pull`."
        )
    is_safe = _is_safetensors(head, path.stat().st_size)
    is_named_so = path.suffix == ".safetensors"
    if is_safe or (is_named_so and not head.startswith((b"PK", b"\x80"))):
        found = find_weights(_read_safetensors(path), source=one_line(path))
    else:
        loaded, skipped = _unpickle(path)
        found = find_weights(loaded, source=one_line(path), skipped=skipped)
    kind = "safetensors" if is_safe else "a file of torch.save"
    notes = (
        (f"read as {kind}, whatever its name", *found.notes)
        if is_safe != is_named_so and _is_telling(path)
        else found.notes
    )
    weights = {
        name: value.detach().float() if value.is_floating_point() else value.detach()
        for name, value in found.weights.items()
    }
    return replace(found, weights=weights, notes=notes)


def _is_telling(path: Path) -> bool:
    """Whether the name of a file claims a format."""
    return path.suffix in (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".pkl", ".bin")


def _is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file begins as safetensors do: with the length of a header, and the brace that opens that."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        loaded: dict[str, Tensor] = load_file(path)
    except _BROKEN as error:
        raise WorkloadError(
            f"`checkpoint` must be safetensors, but {one_line(path)} is not: {one_line(error)}."
        ) from error
    return loaded


def _unpickle(path: Path) -> tuple[object, tuple[str, ...]]:
    must = f"`checkpoint` must be safetensors, or a pickle of tensors alone, but {one_line(path)} is neither"
    try:
        loaded, skipped = load_tensors(path)
    except _BROKEN as error:
        raise WorkloadError(f"{must}{_explain(error)}.") from error
    if isinstance(loaded, Skipped):
        raise WorkloadError(f"{must}: it holds a whole object; save its `state_dict()`.")
    return loaded, skipped


def _explain(error: BaseException) -> str:
    """Say what is wrong with a file, where that can be told from torch's words."""
    text = str(error)
    if "TorchScript" in text:
        return ": it is a TorchScript program, which belongs in `model`"
    if found := re.search(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) (\S+)", text):
        return f": it calls `{one_line(found[1])}`, which could run anything; save the weights alone"
    if "Unsupported operand" in text:
        return ": it has another pickle protocol than torch.save's own; save it again without `pickle_protocol`"
    return ""


def apply_weights(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Load weights into a model; counters of batches may be missing.

    Raises:
        WorkloadError: Names or shapes are not those of the model.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in weights and not is_counter(name)]
    unknown = [name for name in weights if name not in own and not is_counter(name)]
    reshaped = [name for name in own if name in weights and own[name].shape != weights[name].shape]
    complaints = {"missing": missing, "unknown": unknown, "of another shape": reshaped}
    told = [f"{len(names)} {what} (`{one_line(names[0])}`)" for what, names in complaints.items() if names]
    if reshaped:
        theirs, ours = (tuple(values[reshaped[0]].shape) for values in (weights, own))
        told[-1] = told[-1].removesuffix(")") + f", {theirs} and not {ours})"
    if told:
        raise WorkloadError(f"the weights of {one_line(source)} must fit the model, but got {', '.join(told)}.")
    model.load_state_dict({name: weights.get(name, value) for name, value in own.items()})


def apply_checkpoint(model: nn.Module, checkpoint: Checkpoint, notify: Callable[[str], None]) -> None:
    """Load a checkpoint into a model, and say in one line what was done to its names.

    Raises:
        WorkloadError: As for `apply_weights`, or the checkpoint holds several models.
    """
    fitted = checkpoint.fitted(model.state_dict())
    apply_weights(model, fitted.weights, source=fitted.source)
    if fitted.told is not None:
        notify(fitted.told)


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
