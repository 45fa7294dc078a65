"""A training on disk: what another process needs to take it up where this one ended."""

from __future__ import annotations

import hashlib
import json

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nercc_tune.coding.network_weights import weights_under
from nercc_tune.coding.safe_header import read_metadata
from nercc_tune.records import Epoch, from_json, to_json
from nercc_tune.training.fitting import Fitting

__all__ = ["pack_checkpoint", "restore_checkpoint"]

_DIGEST = 32


def pack_checkpoint(fitting: Fitting) -> bytes:
    """Return weights, the best weights, Adam's moments and the epochs that are done."""
    tensors = {f"now.{name}": value for name, value in fitting.weights().items()}
    tensors |= {f"best.{name}": value for name, value in fitting.best.items()}
    for number, state in enumerate(_states(fitting)):
        tensors |= {f"adam.{number}.{key}": value for key, value in state.items()}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    epochs = json.dumps([to_json(epoch) for epoch in fitting.epochs])
    payload = save(plain, metadata={"epochs": epochs})
    return hashlib.sha256(payload).digest() + payload


def restore_checkpoint(fitting: Fitting, content: bytes) -> bool:
    """Set a training that was not begun to where a checkpoint was made; return whether the checkpoint is whole."""
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(payload).digest() != digest:
        return False
    try:
        tensors, told = load(payload), read_metadata(payload)
    except (SafetensorError, ValueError):
        return False
    fitting.epochs = [from_json(Epoch, values) for values in json.loads(told["epochs"])]
    fitting.restore(weights_under(tensors, "now"))
    device = fitting.task.device
    fitting.best = {name: value.to(device) for name, value in weights_under(tensors, "best").items()}
    parameters = [value for group in fitting.optimizer.param_groups for value in group["params"]]
    for number, parameter in enumerate(parameters):
        state = weights_under(tensors, f"adam.{number}")
        fitting.optimizer.state[parameter] = {
            key: value if key == "step" else value.to(device) for key, value in state.items()
        }
    return True


def _states(fitting: Fitting) -> list[dict[str, Tensor]]:
    parameters = [value for group in fitting.optimizer.param_groups for value in group["params"]]
    return [fitting.optimizer.state[parameter] for parameter in parameters]
