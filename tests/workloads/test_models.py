from __future__ import annotations

import pytest
import torch
from torch import nn

from nercc_tune.workloads.base_mlp import build_base_mlp
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.repvgg import RepVggShape, build_fused, build_trainable, fuse
from nercc_tune.workloads.resnet8 import HalvingBlock, build_resnet8
from nercc_tune.workloads.resnet18 import BasicBlock, build_resnet18


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_lenet5_has_its_parameters() -> None:
    assert _count(MODELS["lenet5"].build(10)) == 61_706


def test_the_base_mlp_has_the_published_layers() -> None:
    layers = [layer for layer in build_base_mlp(10) if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(784, 200), (200, 100), (100, 10)]
    assert [type(layer) for layer in build_base_mlp(10)][1:] == [nn.Linear, nn.ReLU] * 2 + [nn.Linear]


@pytest.mark.parametrize("name", ["base_mlp", "lenet5", "repvgg_slim", "resnet8", "resnet18_cifar"])
def test_the_served_form_gives_as_many_outputs_as_asked(name: str) -> None:
    own = MODELS[name]
    assert own.build(7)(torch.zeros(2, own.channels, own.size, own.size)).shape == (2, 7)


def test_repvgg_a2_has_the_published_widths_and_depths() -> None:
    with torch.device("meta"):
        model = MODELS["repvgg_a2_cifar"].build(10)
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64] + [96] * 2 + [192] * 4 + [384] * 14 + [1408]


def test_resnet8_has_eight_layers_beside_its_shortcuts_and_normalises_each_convolution() -> None:
    layers = list(MODELS["resnet8"].build(10).modules())
    kernels = [layer.kernel_size[0] for layer in layers if isinstance(layer, nn.Conv2d)]
    assert kernels == [3, *[3, 3, 1] * 3]
    assert sum(isinstance(layer, nn.Linear) for layer in layers) == 1
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in layers) == len(kernels)


def test_resnet8_halves_the_sides_three_times() -> None:
    model = build_resnet8(10)
    assert isinstance(model[-3], nn.AdaptiveAvgPool2d)
    with torch.no_grad():
        assert model[:-3](torch.zeros(1, 3, 32, 32)).shape == (1, 192, 4, 4)


def test_a_residual_block_adds_a_projection_of_its_input() -> None:
    block = build_resnet8(10).eval()[3]
    assert isinstance(block, HalvingBlock)
    last = block.branch[-1]
    assert isinstance(last, nn.BatchNorm2d)
    images = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        nn.init.zeros_(last.weight)  # what ends the branch normalises it to nothing
        assert torch.equal(block(images), block.shortcut(images).relu())
        nn.init.ones_(last.weight)
        assert torch.allclose(block(images), (block.branch(images) + block.shortcut(images)).relu())


def test_a_resnet_that_is_finished_answers_an_image_as_in_any_batch() -> None:
    own = MODELS["resnet8"]
    finished = own.finish(own.build_trainable(10), 10)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = torch.cat([finished(image[None]) for image in images])
        assert torch.allclose(finished(images), alone, atol=1e-5)  # sums in another order, in float32


def _torchvision_resnet18(outputs: int) -> nn.Module:
    """Build torchvision's network with the stem for small images, as people train it."""
    from torchvision.models import resnet18  # noqa: PLC0415 - torchvision takes seconds to import

    model: nn.Module = resnet18(num_classes=outputs)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def test_resnet18_takes_the_weights_of_torchvisions_and_computes_what_that_does() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = _torchvision_resnet18(10).eval()
        for layer in theirs.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                nn.init.normal_(layer.running_mean, std=0.1)
                nn.init.uniform_(layer.running_var, 0.5, 2.0)
        images = torch.randn(2, 3, 32, 32)
    ours = build_resnet18(10).eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_resnet18_has_its_parameters_and_halves_the_sides_three_times() -> None:
    model = build_resnet18(10)
    assert _count(model) == 11_173_962
    with torch.device("meta"):
        assert build_resnet18(10)[:-3](torch.zeros(1, 3, 32, 32)).shape == (1, 512, 4, 4)


def test_a_basic_block_adds_its_input_where_the_shape_stays() -> None:
    block = BasicBlock(4, 4, 1).eval()
    nn.init.zeros_(block.bn2.weight)  # what ends the branch normalises it to nothing
    images = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(block(images), images.relu())
        assert BasicBlock(4, 4, 2)(images).shape == (2, 4, 4, 4)
        assert BasicBlock(4, 6, 1)(images).shape == (2, 6, 8, 8)


@pytest.mark.parametrize("name", ["base_mlp", "lenet5", "repvgg_slim", "resnet8", "resnet18_cifar"])
def test_the_last_matrix_of_a_checkpoint_counts_the_outputs(name: str) -> None:
    weights = MODELS[name].build(7).state_dict()
    assert len([value for value in weights.values() if value.ndim > 1][-1]) == 7


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
