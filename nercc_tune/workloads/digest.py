"""SHA-256 digests of weights, data and descriptions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

__all__ = ["digest_parts", "digest_weights", "tensor_bytes"]


def tensor_bytes(tensor: Tensor) -> bytes:
    """Return the type, the shape and the values of a tensor as bytes."""
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return f"{tensor.dtype}{tuple(tensor.shape)}".encode() + values.numpy().tobytes()


def digest_parts(parts: Iterable[bytes]) -> str:
    """Hash some byte strings so that moving a byte from one to the next changes the digest.

    >>> digest_parts([b"ab", b"c"]) == digest_parts([b"a", b"bc"])
    False
    """
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.hexdigest()


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """Hash the names, types, shapes and values of weights, in the order of their names."""
    return digest_parts(part for name in sorted(weights) for part in (name.encode(), tensor_bytes(weights[name])))
