"""A model that a user's Python code builds."""

from __future__ import annotations

import importlib
import re

import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.preprocessing import PlainPixels, Preprocessing, TimmPreprocessing

__all__ = ["build_from_code", "find_preprocessing", "is_code"]

_NAME = r"[^\W\d]\w*"
_FORM = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*")


def is_code(model: str) -> bool:
    """Say whether a model is named as `package.module:factory`.

    >>> is_code("mine.models:build"), is_code("resnet18"), is_code("hf-hub:timm/resnet18")
    (True, False, False)
    """
    return _FORM.fullmatch(model) is not None


def build_from_code(model: str, *, seed: int) -> nn.Module:
    """Import `package.module` and call its `factory` without arguments; `seed` draws the weights that it leaves random.

    This runs code of the user's with all that the user may do, so the caller must have been allowed to.

    Raises:
        WorkloadError: The module cannot be imported, has no such factory, or the factory fails or gives no module.
    """
    module_name, _, path = model.partition(":")
    try:
        factory: object = importlib.import_module(module_name)
    except Exception as error:  # a user's module may raise anything
        raise WorkloadError(
            f"`{module_name}` of `{model}` cannot be imported ({_tell(error)}); "
            f"install it, or name its folder in PYTHONPATH."
        ) from error
    for name in path.split("."):
        if not hasattr(factory, name):
            raise WorkloadError(f"`{module_name}` has no `{path}`, which `{model}` names; correct the name.")
        factory = getattr(factory, name)
    return _call(factory, model, seed=seed)


def _call(factory: object, model: str, *, seed: int) -> nn.Module:
    if not callable(factory):
        raise WorkloadError(f"`{model}` must be a function or a class that builds the model, but cannot be called.")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            built: object = factory()
    except Exception as error:  # the same
        raise WorkloadError(f"`{model}` must build a model without arguments, but fails ({_tell(error)}).") from error
    if not isinstance(built, nn.Module):
        raise WorkloadError(f"`{model}` must give a torch.nn.Module, but gives a {type(built).__name__}.")
    return built


def find_preprocessing(model: nn.Module) -> Preprocessing:
    """Return timm's preprocessing for a model that timm built, and pixels divided by 255 for any other."""
    return TimmPreprocessing.of(model) if isinstance(getattr(model, "pretrained_cfg", None), dict) else PlainPixels()


def _tell(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")
