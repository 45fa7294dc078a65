"""The package's own models, with the weights that are found for them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.workloads.checkpoint import Checkpoint
from nercc_tune.workloads.models import MODELS, OwnModel
from nercc_tune.workloads.recipes import RECIPES, Recipe
from nercc_tune.workloads.training import checkpoint_path, train
from nercc_tune.workloads.weights import apply_checkpoint, read_checkpoint

__all__ = ["build_own_model"]


def _count_outputs(own: OwnModel, checkpoint: Checkpoint) -> int:
    """Read the number of classes off the last matrix of a checkpoint, or 1 where it lacks that."""
    names = own.build(1).state_dict()
    last = [name for name, value in names.items() if value.ndim > 1][-1]
    weights = checkpoint.fitted(names).weights
    return len(weights[last]) if last in weights and weights[last].ndim else 1


def _find_recipe(settings: WorkloadSettings) -> Recipe:
    for recipe in RECIPES.values():
        if (recipe.model, recipe.data) == (settings.model, settings.data):
            return recipe
    known = ", ".join(f"`{r.model}` on `{r.data}`" for r in RECIPES.values())
    raise WorkloadError(
        f"there are no weights for `{settings.model}` on `{settings.data}`, only for {known}; "
        f"give a `checkpoint` file, or set `random_weights`."
    )


def _read_shipped(recipe: str) -> Checkpoint | None:
    shipped = files("nercc_tune.workloads") / "weights" / f"{recipe}.safetensors"
    if not shipped.is_file():
        return None
    with as_file(shipped) as path:
        return read_checkpoint(path)


def _find_weights(
    settings: WorkloadSettings, *, home: Path, data_dir: Path, notify: Callable[[str], None]
) -> tuple[Checkpoint, str]:
    """Return the weights in the home directory, else those of the package, else train where that takes seconds."""
    recipe = _find_recipe(settings)
    kept = checkpoint_path(recipe.name, home)
    if kept.is_file():
        return read_checkpoint(kept), "home"
    shipped = _read_shipped(recipe.name)
    if shipped is not None:
        return shipped, "shipped"
    if not recipe.is_quick:
        raise WorkloadError(
            f"there are no weights for `{settings.model}` on `{settings.data}` yet; "
            f"run `nercc-tune train {recipe.name}`, or give a `checkpoint` file."
        )
    notify(f"training {recipe.name}, which takes seconds")
    result = train(recipe.name, home=home, data_dir=data_dir, seed=settings.seed, device="cpu")
    return read_checkpoint(result.checkpoint), "home"


def build_own_model(
    settings: WorkloadSettings, *, outputs: int, home: Path, data_dir: Path, notify: Callable[[str], None]
) -> tuple[nn.Module, str]:
    """Build a model of the package with its weights, and say where those come from.

    They come from `checkpoint`, the home directory, the package, or a training of seconds, in this order. `outputs` is
    the number of classes for `random_weights`.

    Raises:
        WorkloadError: There are no weights, or they do not fit.
    """
    own = MODELS[settings.model]
    if settings.pretrained:
        raise WorkloadError(f"`pretrained` must be left out for `{settings.model}`, which is no model of timm.")
    if settings.random_weights:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            return own.build(outputs), "random"
    if settings.checkpoint is not None:
        checkpoint, source = read_checkpoint(Path(settings.checkpoint).expanduser()), "checkpoint"
    else:
        checkpoint, source = _find_weights(settings, home=home, data_dir=data_dir, notify=notify)
    model = own.build(_count_outputs(own, checkpoint))
    apply_checkpoint(model, checkpoint, notify)
    return model, source
