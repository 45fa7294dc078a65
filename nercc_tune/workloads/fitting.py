"""The loop that fits a model to images in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.preprocessing import FixedSize
from nercc_tune.workloads.recipes import Recipe

__all__ = ["LabelledImages", "Progress", "fit", "measure_accuracy"]

Progress = Callable[[int, int, str], None]

_MOMENTUM = 0.9
_WARM_UP = 0.25
_EVALUATION_BATCH = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images in memory, bytes [n, channels, size, size], with labels int64 [n], and what normalises the images."""

    images: Tensor
    labels: Tensor
    preprocessing: FixedSize

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def read(cls, source: ImageSet, preprocessing: FixedSize) -> LabelledImages:
        """Decode a whole data set."""
        images = torch.stack([preprocessing.resize(source.open(index)) for index in range(len(source))])
        return cls(images=images, labels=source.labels, preprocessing=preprocessing)


def _augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shift each image by a random whole number of pixels, and mirror it or not."""
    count, size = len(images), images.shape[-1]
    columns = torch.arange(size).expand(count, size)
    rows = columns
    if recipe.flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, size - 1 - columns, columns)
    if recipe.crop_padding:
        pad = recipe.crop_padding
        images = nn.functional.pad(images, (pad, pad, pad, pad))
        shifts = torch.randint(0, 2 * pad + 1, (2, count, 1), generator=generator)
        rows, columns = rows + shifts[0], columns + shifts[1]
    return images[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Decay the weights of layers, but neither biases nor the scales of batch normalisation."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=_MOMENTUM, nesterov=True)


def fit(
    model: nn.Module,
    data: LabelledImages,
    recipe: Recipe,
    *,
    generator: torch.Generator,
    device: torch.device,
    progress: Progress,
) -> None:
    """Train `model` in place as `recipe` says; the generator draws the batches and the augmentation."""
    layout = torch.channels_last if recipe.bfloat16 else torch.contiguous_format
    model.to(device).to(memory_format=layout).train()
    optimizer = _make_optimizer(model, recipe)
    batches = len(data) // recipe.batch
    total = batches * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, total_steps=total, pct_start=_WARM_UP, cycle_momentum=False
    )
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(data), generator=generator)[: batches * recipe.batch]
        for step, chosen in enumerate(order.split(recipe.batch)):
            images = data.preprocessing.normalise(_augment(data.images[chosen], recipe, generator))
            images = images.to(device=device, memory_format=layout)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16):
                logits = model(images)
            labels = data.labels[chosen].to(device)
            loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress(epoch * batches + step + 1, total, f"epoch {epoch + 1}/{recipe.epochs}, loss {loss.item():.3f}")
    model.cpu().to(memory_format=torch.contiguous_format).eval()


@torch.no_grad()
def measure_accuracy(model: nn.Module, data: LabelledImages) -> float:
    """Return the share of images whose largest output is at their label."""
    hits = 0
    for chosen in torch.arange(len(data)).split(_EVALUATION_BATCH):
        logits = model(data.preprocessing.normalise(data.images[chosen]))
        hits += int((logits.argmax(1) == data.labels[chosen]).sum())
    return hits / len(data)
