from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.workloads.digits import open_digits
from nercc_tune.workloads.fitting import LabelledImages, _augment, fit, measure_accuracy
from nercc_tune.workloads.preprocessing import FixedSize
from nercc_tune.workloads.recipes import RECIPES, Recipe

_PREPARE = FixedSize(channels=1, size=8, mean=(0.5,), std=(0.5,))
_RECIPE = Recipe(name="tiny", model="lenet5", data="digits", epochs=4, batch=50, peak_rate=0.1)


def _digits(count: int) -> LabelledImages:
    images = open_digits(is_training=True)
    return LabelledImages.read(replace(images, labels=images.labels[:count]), _PREPARE)


def _fit(seed: int, recipe: Recipe = _RECIPE, told: list[tuple[int, int, str]] | None = None) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    fit(
        model,
        _digits(130),
        recipe,
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
        progress=lambda *what: None if told is None else told.append(what),
    )
    return model


def _augment_marked(recipe: Recipe) -> Tensor:
    """Augment images with one bright pixel at row 2, column 6."""
    images = torch.zeros(200, 1, 8, 8, dtype=torch.uint8)
    images[:, :, 2, 6] = 255
    return _augment(images, recipe, torch.Generator().manual_seed(0))


def test_nothing_changes_without_augmentation() -> None:
    assert (_augment_marked(_RECIPE)[:, 0, 2, 6] == 255).all()


def test_half_of_the_images_are_mirrored() -> None:
    images = _augment_marked(replace(_RECIPE, flip=True))
    as_before, mirrored = images[:, 0, 2, 6] == 255, images[:, 0, 2, 1] == 255
    assert (as_before ^ mirrored).all()
    assert 70 < int(mirrored.sum()) < 130


def test_images_are_shifted_by_every_step_up_to_the_padding() -> None:
    images = _augment_marked(replace(_RECIPE, crop_padding=1))
    places = {tuple(place.tolist()) for place in images[:, 0].nonzero()[:, 1:]}
    assert places == {(row, column) for row in (1, 2, 3) for column in (5, 6, 7)}


def test_the_seed_alone_draws_the_weights() -> None:
    before = torch.random.get_rng_state()
    recipe = replace(_RECIPE, crop_padding=1, flip=True)
    first, second, other = (_fit(seed, recipe).state_dict() for seed in (0, 0, 1))
    assert torch.equal(first["1.weight"], second["1.weight"])
    assert not torch.equal(first["1.weight"], other["1.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_progress_counts_the_full_batches_of_all_epochs() -> None:
    told: list[tuple[int, int, str]] = []
    model = _fit(0, told=told)
    assert [(done, total) for done, total, _ in told] == [(done, 8) for done in range(1, 9)]
    assert told[-1][2].startswith("epoch 4/4, loss ")
    assert not model.training


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_linear_model_learns_the_digits_it_is_shown(bfloat16: bool) -> None:
    recipe = replace(_RECIPE, epochs=20, batch=20, bfloat16=bfloat16, label_smoothing=0.1)
    model = _fit(0, recipe)
    assert measure_accuracy(model, _digits(130)) > 0.95  # chance is 0.1


def test_recipes_are_registered_by_their_names() -> None:
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert len({(recipe.model, recipe.data) for recipe in RECIPES.values()}) == len(RECIPES)
