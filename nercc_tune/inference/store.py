"""Worker outputs that were computed once, in memory and on disk."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nercc_tune.home import write_whole

_NAME = "outputs"


class OutputStore:
    """Keeps tensors by key: the latest used up to a size in memory, all of them in a folder.

    A file is written aside, flushed and renamed, and carries a checksum; a damaged one counts as absent and is
    computed again.
    """

    def __init__(self, folder: Path | None, *, memory_mb: int) -> None:
        self._folder = folder
        self._room = memory_mb * 2**20
        self._memory: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, key: str) -> Tensor | None:
        """Return the tensor of a key, or None where there is none or its file is damaged."""
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        tensor = self._read(key)
        if tensor is not None:
            self._remember(key, tensor)
        return tensor

    def put(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor under a key."""
        self._remember(key, tensor)
        if self._folder is None:
            return
        path = self._path(self._folder, key)
        payload = save({_NAME: tensor.contiguous()})
        write_whole(path, hashlib.sha256(payload).digest() + payload)

    def _read(self, key: str) -> Tensor | None:
        if self._folder is None:
            return None
        try:
            content = self._path(self._folder, key).read_bytes()
        except FileNotFoundError:
            return None
        checksum, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != checksum:
            return None
        try:
            return load(payload)[_NAME]
        except (SafetensorError, KeyError):
            return None

    def _remember(self, key: str, tensor: Tensor) -> None:
        self._memory[key] = tensor
        self._memory.move_to_end(key)
        while sum(_bytes(kept) for kept in self._memory.values()) > self._room and len(self._memory) > 1:
            self._memory.popitem(last=False)

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key}.outputs"


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def tensor_key(*parts: str | Tensor) -> str:
    """Return a SHA-256 over texts and the bytes of tensors."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part.contiguous().cpu().numpy().tobytes()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
