"""Worker outputs that were computed once, in memory and on a disk or an object store that processes share."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nercc_tune.inference.kept_files import open_files

_NAME = "outputs"


class OutputStore:
    """Keeps tensors by key: the latest used up to a size in memory, all of them in a folder.

    In memory a tensor stays on the device it is on, until those there take more than a size of their own; then the one
    that was not used for longest moves to the CPU's memory. Files hold no device.

    The folder is a path, or an fsspec URL (`file:///…`, `s3://…`), and several processes may share it: what is read
    was written whole. Each file carries a checksum; a damaged one counts as absent, and is computed and written again.
    """

    def __init__(self, folder: Path | str | None, *, memory_mb: int, device_mb: int | None = None) -> None:
        """Open a store, which makes no folder yet.

        Args:
            folder: None for a store that is in memory only.
            memory_mb: How much is kept in the CPU's memory.
            device_mb: How much is kept on other devices beside that; by default as much.

        Raises:
            HomeError: If the URL is of an unknown kind, or the package that reads it is not installed.
        """
        self._files = None if folder is None else open_files(folder, what=_NAME)
        self._room = memory_mb * 2**20
        self._device_room = self._room if device_mb is None else device_mb * 2**20
        self._memory: OrderedDict[str, Tensor] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        """Whether there is a tensor of a key; that its file is whole is seen when it is read.

        Raises:
            HomeError: If the folder cannot be looked into.
        """
        return key in self._memory or (self._files is not None and self._files.has(_file_name(key)))

    def get(self, key: str, *, device: torch.device | None = None) -> Tensor | None:
        """Return the tensor of a key, or None where there is none or its file is damaged.

        Args:
            key: As it was put.
            device: Where it is wanted; by default where it is.

        Raises:
            HomeError: If there is a file that may not or cannot be read.
        """
        tensor = self._memory.get(key)
        if tensor is None:
            content = None if self._files is None else self._files.read(_file_name(key))
            tensor = None if content is None else _unpack(content)
        if tensor is None:
            return None
        tensor = tensor if device is None else tensor.to(device)
        self._remember(key, tensor)
        return tensor

    def put(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor under a key.

        Raises:
            HomeError: If its file cannot be written, for want of space or rights; no part of it is left.
        """
        self._remember(key, tensor)
        if self._files is not None:
            self._files.write(_file_name(key), _pack(tensor))

    def _remember(self, key: str, tensor: Tensor) -> None:
        self._memory[key] = tensor
        self._memory.move_to_end(key)
        for older in self._too_many(self._device_room, is_cpu=False):
            self._memory[older] = self._memory[older].cpu()
        for older in self._too_many(self._room, is_cpu=True):
            del self._memory[older]

    def _too_many(self, room: int, *, is_cpu: bool) -> list[str]:
        """Return the keys of the tensors at one place that have no room there, but never the latest used of all."""
        there = [key for key, tensor in self._memory.items() if (tensor.device.type == "cpu") == is_cpu]
        taken = sum(_bytes(self._memory[key]) for key in there)
        latest, over = next(reversed(self._memory)), []
        for key in there:
            if taken <= room or key == latest:
                break
            taken -= _bytes(self._memory[key])
            over.append(key)
        return over


def tensor_key(*parts: str | Tensor) -> str:
    """Return a SHA-256 over texts and the bytes of tensors."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part.contiguous().cpu().numpy().tobytes()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _file_name(key: str) -> str:
    return f"{key[:2]}/{key}.outputs"


def _pack(tensor: Tensor) -> bytes:
    payload = save({_NAME: tensor.cpu().contiguous()})
    return hashlib.sha256(payload).digest() + payload


def _unpack(content: bytes) -> Tensor | None:
    checksum, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != checksum:
        return None
    try:
        return load(payload)[_NAME]
    except (SafetensorError, KeyError):
        return None


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
