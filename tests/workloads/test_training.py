from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.recipes import RECIPES, Recipe
from nercc_tune.workloads.training import TrainingResult, train, train_recipe
from nercc_tune.workloads.weights import read_weights

_TINY = replace(RECIPES["lenet5-digits"], epochs=1, batch=100)


def _train(home: Path, seed: int, recipe: Recipe = _TINY) -> TrainingResult:
    return train_recipe(
        recipe, home=home, data_dir=home, progress=lambda *_: None, seed=seed, device=torch.device("cpu")
    )


def test_the_same_seed_gives_the_same_weights_whatever_the_global_state(tmp_path: Path) -> None:
    trained = []
    with torch.random.fork_rng(devices=[]):
        for number, seed in enumerate((3, 3, 4)):
            torch.manual_seed(number)
            state = torch.random.get_rng_state()
            trained.append(read_weights(_train(tmp_path / str(number), seed).checkpoint))
            assert torch.equal(torch.random.get_rng_state(), state)
    first, second, other = trained
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_seed_draws_the_batches_and_the_recipe_limits_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def fit(*_: object, generator: torch.Generator, **__: object) -> None:
        seen.append((generator.initial_seed(), torch.get_num_threads()))

    monkeypatch.setattr("nercc_tune.workloads.training.fit", fit)
    threads = torch.get_num_threads()
    _train(tmp_path, 7, replace(_TINY, threads=threads + 1))
    assert seen == [(7, threads + 1)]
    assert torch.get_num_threads() == threads


def test_the_checkpoint_says_how_it_was_made(tmp_path: Path) -> None:
    result = _train(tmp_path, 3)
    assert result.checkpoint == tmp_path / "weights" / "lenet5-digits.safetensors"
    assert result.epochs == 1
    assert result.seconds > 0
    with safe_open(result.checkpoint, framework="pt") as written:
        assert written.metadata() == {
            "recipe": "lenet5-digits",
            "seed": "3",
            "epochs": "1",
            "test_accuracy": f"{result.test_accuracy:.4f}",
        }


def test_an_unknown_recipe_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        WorkloadError, match=r"^`recipe` must be one of lenet5-digits, .*, but got `lenet5_mnst`; try `lenet5-mnist`\.$"
    ):
        train("lenet5_mnst", home=tmp_path, data_dir=tmp_path)


def test_a_recipe_needs_images(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"^the data set `npz` has no training split"):
        train_recipe(
            replace(_TINY, data="npz"),
            home=tmp_path,
            data_dir=tmp_path,
            progress=lambda *_: None,
            seed=0,
            device=torch.device("cpu"),
        )


def test_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there, so no download can begin
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(DataMissingError, match=r"^the data set `mnist` is expected at .*/MNIST/raw, is not there"):
        train("lenet5-mnist", home=tmp_path, data_dir=tmp_path)


@pytest.mark.slow
def test_the_base_mlp_learns_mnist_as_published(tmp_path: Path, data_root: Path) -> None:
    result = train("base-mlp-mnist", home=tmp_path, data_dir=data_root)
    assert result.test_accuracy >= 0.979


@pytest.mark.slow
def test_lenet5_learns_the_digits_in_seconds(tmp_path: Path) -> None:
    result = train("lenet5-digits", home=tmp_path, data_dir=tmp_path)
    assert result.test_accuracy >= 0.97
    assert result.epochs == 16
