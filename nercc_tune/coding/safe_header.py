"""The metadata of safetensors in memory, which the package reads from files alone."""

from __future__ import annotations

import json

__all__ = ["read_metadata"]

_LENGTH = 8


def read_metadata(content: bytes) -> dict[str, str]:
    """Return what was said of the tensors: a JSON header stands behind its length, eight bytes.

    Raises:
        ValueError: If there is no such header.
    """
    length = int.from_bytes(content[:_LENGTH], "little")
    found: dict[str, str] = json.loads(content[_LENGTH : _LENGTH + length]).get("__metadata__", {})
    return found
