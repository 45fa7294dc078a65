"""A user's own model, as a TorchScript or `torch.export` file."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from nercc_tune.errors import DataMissingError, WorkloadError

__all__ = ["SUFFIXES", "load_program"]

SUFFIXES = (".pt", ".pt2")


def load_program(path: Path) -> nn.Module:
    """Load a TorchScript file (`.pt`) or an exported program (`.pt2`). It runs what the file says: trust its author.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else.
    """
    if not path.is_file():
        raise DataMissingError(
            f"`model` must be a registered model, a timm name or a file, but there is none at {path}."
        )
    try:
        if path.suffix == ".pt2":
            return torch.export.load(path).module()
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*torch.jit.load", category=FutureWarning
            )  # users have such files
            script: nn.Module = torch.jit.load(path, map_location="cpu")
        return script.eval()
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise WorkloadError(
            f"`model` must be a TorchScript (.pt) or torch.export (.pt2) file, but {path} is neither; "
            f"a weights file belongs in `checkpoint`."
        ) from error
