"""The networks of a trained code as one file: weights without pickle, and what it takes to build them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from nercc_tune.coding import MIXERS, TrainedCode, build_output_decoder
from nercc_tune.records import Epoch, Training, from_json, to_json
from nercc_tune.training.safe_header import read_metadata

__all__ = ["TrainedNetworks", "build_networks", "pack_networks", "unpack_networks"]

_KEY = "nercc_tune"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetworks:
    """A trained code with how it came about.

    Attributes:
        model: Name of the base model, whose architecture parity networks have.
        outputs: c.
        query_shape: Of one query.
        epochs: Of the training.
    """

    code: TrainedCode
    training: Training
    model: str
    outputs: int
    query_shape: tuple[int, ...]
    epochs: tuple[Epoch, ...]


def pack_networks(networks: TrainedNetworks) -> bytes:
    """Return the networks as the bytes of a safetensors file, float32."""
    told = {
        "queries": networks.code.queries,
        "workers": networks.code.workers,
        "model": networks.model,
        "outputs": networks.outputs,
        "query_shape": networks.query_shape,
        "training": to_json(networks.training),
        "epochs": [to_json(epoch) for epoch in networks.epochs],
    }
    return save(_tensors(networks.code), metadata={_KEY: json.dumps(told)})


def unpack_networks(content: bytes, build: Callable[[str, int], nn.Module]) -> TrainedNetworks:
    """Read networks from the bytes of a file; the code carries the digest of what was read.

    Args:
        content: As `pack_networks` made it.
        build: Makes a network of a model by its name and its number of outputs, in the form that is served.

    Raises:
        ValueError: If the file is cut, changed, or not of networks of a code.
    """
    try:
        tensors, told = load(content), json.loads(read_metadata(content)[_KEY])
        training = from_json(Training, told["training"])
        epochs = tuple(from_json(Epoch, values) for values in told["epochs"])
        shape = tuple(int(size) for size in told["query_shape"])
        code = build_networks(training, told, build=lambda: build(str(told["model"]), int(told["outputs"])))
        for name, network in code.modules().items():
            network.load_state_dict(_under(tensors, f"{name}."))
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"it is no whole file of a code's networks ({error})") from error
    found = replace(code, digest=networks_digest(code, training))
    return TrainedNetworks(
        code=found,
        training=training,
        model=str(told["model"]),
        outputs=int(told["outputs"]),
        query_shape=shape,
        epochs=epochs,
    )


def build_networks(training: Training, told: dict[str, Any], *, build: Callable[[], nn.Module]) -> TrainedCode:
    """Build a code with weights that are yet to be loaded; `told` holds K, N, the outputs and the shape of a query."""
    queries, workers = int(told["queries"]), int(told["workers"])
    parities = workers - queries
    mixer = MIXERS[training.mixer].build(queries=queries, parities=parities, shape=tuple(told["query_shape"]))
    is_learned = training.kind == "learned"
    decoder = build_output_decoder(queries=queries, parities=parities, outputs=int(told["outputs"]))
    return TrainedCode(
        queries=queries,
        workers=workers,
        mixer=mixer.eval(),
        parity_networks=() if is_learned else tuple(build().eval() for _ in range(parities)),
        decoder=decoder.eval() if is_learned else None,
    )


def networks_digest(code: TrainedCode, training: Training) -> str:
    """Return a SHA-256 over all weights of a code, how they were trained, K and N."""
    digest = hashlib.sha256(json.dumps([to_json(training), code.queries, code.workers], sort_keys=True).encode())
    for name, value in sorted(_tensors(code).items()):
        digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode() + value.numpy().tobytes())
    return digest.hexdigest()


def _tensors(code: TrainedCode) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, network in code.modules().items()
        for key, value in network.state_dict().items()
    }


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
