"""Served codes as what they are."""

from __future__ import annotations

from nercc_tune.coding import TrainedCode
from nercc_tune.serving.served_code import ServedCode

__all__ = ["nodal"]


def nodal(code: ServedCode | TrainedCode) -> ServedCode:
    """Return a served code as one that has nodes, and no networks."""
    assert isinstance(code, ServedCode)
    return code
