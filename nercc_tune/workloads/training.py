"""Training one of the package's own models by a recipe."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.datasets import DATASETS, state_preprocessing
from nercc_tune.workloads.fitting import LabelledImages, Progress, fit, measure_accuracy
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.recipes import RECIPES, Recipe
from nercc_tune.workloads.weights import write_weights

__all__ = ["TrainingResult", "checkpoint_path", "train", "train_recipe"]


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Where the weights are, and the share of the test split that they classify correctly."""

    checkpoint: Path
    test_accuracy: float
    seconds: float
    epochs: int


def _ignore(done: int, total: int, text: str) -> None: ...


def checkpoint_path(recipe: str, home: Path) -> Path:
    """Say where the weights that a recipe trains are kept."""
    return home / "weights" / f"{recipe}.safetensors"


def _read_split(recipe: Recipe, data_dir: Path, *, is_training: bool, progress: Progress) -> LabelledImages:
    data = DATASETS[recipe.data]
    request = DataRequest(data_dir=data_dir, is_training=is_training, notify=lambda text: progress(0, 1, text))
    opened = data.open(request)
    if not isinstance(opened, ImageSet):
        raise WorkloadError(f"a recipe must name a data set of images, but got `{recipe.data}`.")
    return LabelledImages.read(opened, state_preprocessing(data, MODELS[recipe.model]))


def _choose_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


@contextmanager
def _limit_threads(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _build(recipe: Recipe, outputs: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[recipe.model].build_trainable(outputs)


def train(
    recipe: str, *, home: Path, data_dir: Path, progress: Progress = _ignore, seed: int = 0, device: str = "auto"
) -> TrainingResult:
    """Train a model, and keep its weights as `weights/<recipe>.safetensors` in the home directory.

    The same seed gives the same weights on one CPU. The accuracy is that of the weights as they are kept.

    Raises:
        WorkloadError: There is no such recipe.
        DataMissingError: The images are not there and cannot be fetched.
    """
    if recipe not in RECIPES:
        nearest = difflib.get_close_matches(recipe, RECIPES, n=1) or sorted(RECIPES)
        raise WorkloadError(f"`recipe` must be one of {', '.join(RECIPES)}, but got `{recipe}`; try `{nearest[0]}`.")
    return train_recipe(
        RECIPES[recipe], home=home, data_dir=data_dir, progress=progress, seed=seed, device=_choose_device(device)
    )


def train_recipe(
    recipe: Recipe, *, home: Path, data_dir: Path, progress: Progress, seed: int, device: torch.device
) -> TrainingResult:
    """Train by a recipe that need not be registered; see `train`."""
    started = time.perf_counter()
    images = _read_split(recipe, data_dir, is_training=True, progress=progress)
    outputs = int(images.labels.max()) + 1
    trained = _build(recipe, outputs, seed)
    generator = torch.Generator().manual_seed(seed)
    with _limit_threads(recipe.threads):
        fit(trained, images, recipe, generator=generator, device=device, progress=progress)
    served = MODELS[recipe.model].finish(trained, outputs)
    return _keep(served, recipe, home=home, data_dir=data_dir, seed=seed, started=started)


def _keep(
    served: nn.Module, recipe: Recipe, *, home: Path, data_dir: Path, seed: int, started: float
) -> TrainingResult:
    """Round the weights as the file does, judge them on the test split and write them."""
    served.half().float()
    queries = _read_split(recipe, data_dir, is_training=False, progress=_ignore)
    accuracy = measure_accuracy(served, queries)
    told = {"recipe": recipe.name, "seed": str(seed), "epochs": str(recipe.epochs), "test_accuracy": f"{accuracy:.4f}"}
    path = checkpoint_path(recipe.name, home)
    write_weights(path, served.state_dict(), told)
    return TrainingResult(
        checkpoint=path, test_accuracy=accuracy, seconds=time.perf_counter() - started, epochs=recipe.epochs
    )
