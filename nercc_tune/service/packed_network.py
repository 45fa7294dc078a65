"""Networks as bytes, in which they travel from a process of ours to another one; never from anybody else."""

from __future__ import annotations

import importlib
import io
import pickle
from typing import Any

import torch
from torch import nn

from nercc_tune.errors import ServiceError
from nercc_tune.text.one_line import one_line

__all__ = ["pack_network", "unpack_network"]

_SCRIPT = b"script\n"
_PICKLE = b"pickle\n"


def pack_network(network: nn.Module) -> bytes:
    """Return a network as bytes, on the CPU.

    Raises:
        ServiceError: If it cannot travel.
    """
    if isinstance(network, torch.jit.ScriptModule):
        buffer = io.BytesIO()
        torch.jit.save(network, buffer)
        return _SCRIPT + buffer.getvalue()
    try:
        packed: bytes = _cloudpickle().dumps(network)
    except (TypeError, AttributeError, RuntimeError, pickle.PicklingError) as error:
        raise ServiceError(
            f"the model cannot be sent to the workers ({one_line(error)}); export it as TorchScript (.pt)."
        ) from error
    return _PICKLE + packed


def unpack_network(packed: bytes) -> nn.Module:
    """Return the network that `pack_network` packed; it runs what the bytes say."""
    if packed.startswith(_SCRIPT):
        script: nn.Module = torch.jit.load(io.BytesIO(packed[len(_SCRIPT) :]), map_location="cpu")
        return script
    network: nn.Module = _cloudpickle().loads(packed[len(_PICKLE) :])
    return network


def _cloudpickle() -> Any:
    """Return what Ray itself pickles by; see `ray_workers` for why it is imported late."""
    return importlib.import_module("ray.cloudpickle")
