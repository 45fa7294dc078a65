"""The trainings that the package knows.

The package ships two, each made by `nercc-tune train <recipe>` with seed 0, with the accuracy on the whole test split:
`lenet5-mnist` 99.44 %, and `repvgg-cifar10` 90.35 %. `repvgg-a2-cifar10` and
`resnet18-cifar10` have not been run.
`nercc-tune train resnet8-cifar10` reaches 88.20 % (seed 0) in 28 minutes on two busy shared cores.
`nercc-tune train base-mlp-mnist` takes 9 to 18 s on one of two shared cores, 4 to 6 s of them to decode the images, and
reaches 98.56 %, 98.48 % and 98.44 % (seeds 0, 1 and 2; published are 97.93 %).
`nercc-tune train lenet5-digits` classifies 99 % of the 800 digits that are served (seeds 0, 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training of a model of the package: SGD with Nesterov momentum under a one-cycle learning rate.

    `crop_padding` is the number of pixels by which images are shifted at most, each way; `flip` mirrors half of them.
    `bfloat16` computes under autocast, and in channels-last layout. `threads` limits those of the CPU, of which a small
    model gains nothing. A recipe that `is_quick` is trained on the spot where its weights are missing.
    """

    name: str
    model: str
    data: str
    epochs: int
    batch: int = 128
    peak_rate: float
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    crop_padding: int = 0
    flip: bool = False
    bfloat16: bool = False
    threads: int | None = None
    is_quick: bool = False


_ALL = (
    Recipe(
        name="lenet5-digits",
        model="lenet5",
        data="digits",
        epochs=16,
        batch=32,
        peak_rate=0.04,
        crop_padding=2,
        threads=1,
        is_quick=True,
    ),
    Recipe(name="base-mlp-mnist", model="base_mlp", data="mnist", epochs=6, peak_rate=0.1, threads=1, is_quick=True),
    Recipe(name="lenet5-mnist", model="lenet5", data="mnist", epochs=12, peak_rate=0.05, crop_padding=2, threads=1),
    Recipe(
        name="repvgg-cifar10",
        model="repvgg_slim",
        data="cifar10",
        epochs=15,
        peak_rate=0.2,
        label_smoothing=0.1,
        crop_padding=4,
        flip=True,
        bfloat16=True,
    ),
    Recipe(
        name="repvgg-a2-cifar10",
        model="repvgg_a2_cifar",
        data="cifar10",
        epochs=100,
        peak_rate=0.2,
        label_smoothing=0.1,
        crop_padding=4,
        flip=True,
        bfloat16=True,
    ),
    Recipe(
        name="resnet18-cifar10",
        model="resnet18_cifar",
        data="cifar10",
        epochs=100,
        peak_rate=0.2,
        label_smoothing=0.1,
        crop_padding=4,
        flip=True,
        bfloat16=True,
    ),
    Recipe(
        name="resnet8-cifar10",
        model="resnet8",
        data="cifar10",
        epochs=15,
        peak_rate=0.2,
        label_smoothing=0.1,
        crop_padding=4,
        flip=True,
        bfloat16=True,
        threads=1,
    ),
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
