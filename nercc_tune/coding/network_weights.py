"""The weights of several networks in one dictionary, `parity-1.0.weight`: the network's name, and the weight's own."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

__all__ = ["Weights", "weights_of", "weights_under"]

Weights = dict[str, Tensor]


def weights_of(networks: Mapping[str, nn.Module]) -> Weights:
    """Return the weights of networks as they are; they are not copied."""
    return {f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()}


def weights_under(weights: Mapping[str, Tensor], name: str) -> Weights:
    """Return the weights whose names begin with another name and a dot, without both.

    Example:
        >>> sorted(weights_under({"a.0.bias": Tensor(), "a.1": Tensor(), "ab.0": Tensor()}, "a"))
        ['0.bias', '1']
    """
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
