"""Values as they are kept beside a table: in float32, named by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["as_kept", "digest_of"]


def as_kept(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return values on the CPU as float32 keeps them, in float64: what is judged is what is served."""
    return {name: value.to(torch.float32).cpu().to(torch.float64) for name, value in values.items()}


def digest_of(values: Mapping[str, Tensor]) -> str:
    """Return SHA-256 over the names, shapes and values, the latter as float32 keeps them."""
    hashed = hashlib.sha256()
    for name, value in values.items():
        hashed.update(f"{name}{tuple(value.shape)}".encode())
        hashed.update(value.to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes())
    return hashed.hexdigest()
