"""The networks of a trained code as one file: weights without pickle, and what it takes to build them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from typing_extensions import override

from nercc_tune.coding.mixers import MIXERS
from nercc_tune.coding.network_weights import weights_of, weights_under
from nercc_tune.coding.output_decoder import build_output_decoder
from nercc_tune.coding.safe_header import read_metadata
from nercc_tune.coding.trained import TrainedCode
from nercc_tune.errors import WorkloadError
from nercc_tune.records import Epoch, Strict, Training, from_json, to_json
from nercc_tune.text.one_line import one_line

__all__ = ["AbsentNetwork", "NetworksFile", "Origin", "pack_networks", "read_networks"]

_KEY = "nercc_tune"


@dataclass(frozen=True, kw_only=True)
class Origin(Strict):
    """How the networks of a code came about.

    Attributes:
        queries: K.
        workers: N.
        model: Name of the base model, whose architecture parity networks have.
        outputs: c.
        query_shape: Of one query.
        epochs: Of the training.
    """

    queries: int
    workers: int
    model: str
    outputs: int
    query_shape: tuple[int, ...]
    training: Training
    epochs: tuple[Epoch, ...]


class AbsentNetwork(nn.Module):
    """Stands for a network whose architecture is not known, where the rest of a code can be used without it.

    Args:
        reason: What is said to whoever runs it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    @override
    def forward(self, queries: Tensor) -> Tensor:
        raise WorkloadError(self.reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworksFile:
    """The content of a file: all weights of a code by name, and its origin.

    Attributes:
        digest: SHA-256 over weights, training, K and N.
    """

    tensors: Mapping[str, Tensor]
    origin: Origin
    digest: str

    @classmethod
    def of(cls, code: TrainedCode, origin: Origin) -> NetworksFile:
        """Take the weights of a code."""
        tensors = {name: value.cpu().contiguous() for name, value in weights_of(code.modules()).items()}
        return cls(tensors=tensors, origin=origin, digest=_digest(tensors, origin))

    def code(self, build: Callable[[str, int], nn.Module]) -> TrainedCode:
        """Build the code.

        Args:
            build: Makes a network of a model by its name and its number of outputs, in the form that is served, or an
                `AbsentNetwork`.

        Raises:
            ValueError: If the weights do not fit.
        """
        origin, training = self.origin, self.origin.training
        sizes = {"queries": origin.queries, "parities": origin.workers - origin.queries}
        is_learned = training.kind == "learned"
        code = TrainedCode(
            queries=origin.queries,
            workers=origin.workers,
            mixer=MIXERS[training.mixer].build(**sizes, shape=origin.query_shape),
            parity_networks=()
            if is_learned
            else tuple(build(origin.model, origin.outputs) for _ in range(sizes["parities"])),
            decoder=build_output_decoder(**sizes, outputs=origin.outputs) if is_learned else None,
        )
        for name, network in code.modules().items():
            if not isinstance(network, AbsentNetwork):
                _load(network.eval(), self.tensors, name)
        return replace(code, digest=self.digest)


def pack_networks(file: NetworksFile) -> bytes:
    """Return networks as the bytes of a safetensors file."""
    return save(dict(file.tensors), metadata={_KEY: json.dumps(to_json(file.origin))})


def read_networks(content: bytes) -> NetworksFile:
    """Read networks from the bytes of a file.

    Raises:
        ValueError: If it is cut, or no such file.
    """
    try:
        tensors = load(content)
        origin = from_json(Origin, json.loads(read_metadata(content)[_KEY]))
    except (SafetensorError, ValidationError, KeyError, ValueError) as error:
        raise ValueError(f"it is no whole file of a code's networks ({one_line(error)})") from error
    return NetworksFile(tensors=tensors, origin=origin, digest=_digest(tensors, origin))


def _digest(tensors: Mapping[str, Tensor], origin: Origin) -> str:
    told = [to_json(origin.training), origin.queries, origin.workers]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode() + value.numpy().tobytes())
    return digest.hexdigest()


def _load(network: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    try:
        network.load_state_dict(weights_under(tensors, name))
    except RuntimeError as error:
        raise ValueError(f"the weights of `{name}` must fit it, but do not ({one_line(error)})") from error
