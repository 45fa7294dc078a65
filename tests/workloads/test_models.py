from __future__ import annotations

import pytest
import torch
from torch import nn

from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.repvgg import RepVggShape, build_fused, build_trainable, fuse


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_lenet5_has_its_parameters() -> None:
    assert _count(MODELS["lenet5"].build(10)) == 61_706


@pytest.mark.parametrize("name", ["lenet5", "repvgg_slim"])
def test_the_served_form_gives_as_many_outputs_as_asked(name: str) -> None:
    own = MODELS[name]
    assert own.build(7)(torch.zeros(2, own.channels, own.size, own.size)).shape == (2, 7)


def test_repvgg_a2_has_the_published_widths_and_depths() -> None:
    with torch.device("meta"):
        model = MODELS["repvgg_a2_cifar"].build(10)
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64] + [96] * 2 + [192] * 4 + [384] * 14 + [1408]


def test_strides_begin_a_stage() -> None:
    shape = RepVggShape(stem=2, widths=(3, 4, 5, 6), depths=(2, 1, 1, 1))
    assert shape.blocks() == [(3, 2, 1), (2, 3, 1), (3, 3, 1), (3, 4, 2), (4, 5, 2), (5, 6, 2)]


def test_the_fused_form_computes_what_the_trained_form_does() -> None:
    shape = RepVggShape(stem=4, widths=(4, 6, 6, 8), depths=(2, 1, 2, 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trained = build_trainable(shape, 5)
        for layer in trained.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values in (layer.running_var, layer.weight):
                    assert values is not None
                    nn.init.uniform_(values, 0.5, 2.0)
                for values in (layer.running_mean, layer.bias):
                    assert values is not None
                    nn.init.normal_(values)
        images = torch.randn(3, 3, 32, 32)
    trained.eval()
    fused = fuse(shape, trained, 5)
    with torch.no_grad():
        assert torch.allclose(fused(images), trained(images), rtol=1e-4, atol=1e-4)  # sums in another order, in float32
    kernels = [layer.kernel_size for layer in fused.modules() if isinstance(layer, nn.Conv2d)]
    assert set(kernels) == {(3, 3)}
    assert _count(fused) == _count(build_fused(shape, 5))
