"""A user's own model, as a TorchScript or `torch.export` file."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["SUFFIXES", "is_program", "load_program"]

SUFFIXES = (".pt", ".pt2")


def is_program(model: str) -> bool:
    """Say whether a model is named as a file with a program."""
    return model.endswith(SUFFIXES)


def load_program(path: Path) -> nn.Module:
    """Load a TorchScript file (`.pt`) or an exported program (`.pt2`). It runs what the file says: trust its author.

    Neither format holds a program in, measured with torch 2.15. `torch.export.load` runs any Python: in pickled
    weights, in the pickle of the example inputs (after `weights_only=True` has refused it) and in the expressions of
    symbolic shapes, which are evaluated. `torch.jit.load` unpickles no Python objects, but a script may write any file
    by `torch.save`, also under names that a search of its text does not find. A study file must therefore be trusted
    before this is called.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else.
    """
    if not path.is_file():
        raise DataMissingError(
            f"`model` must be a registered model, a timm name or a file, but there is none at {one_line(path)}."
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
    except Exception as error:  # torch raises errors of any class for a broken file
        raise WorkloadError(
            f"`model` must be a TorchScript (.pt) or torch.export (.pt2) file, but {one_line(path)} is neither; "
            f"a weights file belongs in `checkpoint`."
        ) from error
