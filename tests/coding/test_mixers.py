from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nercc_tune.coding import MIXERS, Mixer, parity_weights

IMAGE = (3, 4, 6)
QUERIES = torch.randn(5, 2, *IMAGE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _build(kind: str, queries: int = 2, parities: int = 1, shape: tuple[int, ...] = IMAGE) -> Mixer:
    return MIXERS[kind].build(queries=queries, parities=parities, shape=shape)


def _convolutions(mixer: Mixer) -> list[nn.Conv2d]:
    return [layer for layer in mixer.modules() if isinstance(layer, nn.Conv2d)]


def test_weights_are_powers_of_the_number_of_the_query() -> None:
    assert parity_weights(4, 3).tolist() == [[1, 1, 1, 1], [1, 2, 3, 4], [1, 4, 9, 16]]


@pytest.mark.parametrize(("queries", "parities"), [(2, 1), (2, 2), (4, 3), (3, 4)])
def test_outputs_follow_from_any_k_of_the_workers_where_the_parities_are_exact(queries: int, parities: int) -> None:
    rows = torch.cat([torch.eye(queries, dtype=torch.float64), parity_weights(queries, parities)])
    outputs = torch.randn(queries, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for arrived in itertools.combinations(range(queries + parities), queries):
        solved = torch.linalg.solve(rows[list(arrived)], rows[list(arrived)] @ outputs)
        assert torch.allclose(solved, outputs, atol=1e-9)  # condition numbers are below 1e5


@pytest.mark.parametrize("kind", MIXERS)
@pytest.mark.parametrize("queries", [2, 3, 4])
def test_parity_queries_have_the_shape_of_queries(kind: str, queries: int) -> None:
    mixed = _build(kind, queries)(torch.randn(5, queries, *IMAGE))
    assert mixed.shape == (5, 1, *IMAGE)
    assert mixed.dtype == torch.float32


@pytest.mark.parametrize("kind", ["addition", "mlp", "conv"])
def test_more_parities_than_one_differ(kind: str) -> None:
    mixed = _build(kind, parities=2)(QUERIES)
    assert mixed.shape == (5, 2, *IMAGE)
    assert not torch.allclose(mixed[:, 0], mixed[:, 1])


@pytest.mark.parametrize("kind", MIXERS)
def test_groups_are_mixed_apart_and_alike(kind: str) -> None:
    mixer = _build(kind)
    alone = torch.cat([mixer(group[None]) for group in QUERIES])
    assert torch.allclose(mixer(QUERIES), alone, atol=1e-6)  # products of another size, in float32


@pytest.mark.parametrize("kind", MIXERS)
def test_only_trained_mixers_have_parameters_and_all_of_them_learn(kind: str) -> None:
    mixer = _build(kind)
    assert bool(list(mixer.parameters())) is MIXERS[kind].is_trained
    queries = QUERIES.clone().requires_grad_()
    mixer(queries).square().sum().backward()
    assert all(values.grad is not None and bool(values.grad.any()) for values in (queries, *mixer.parameters()))


@pytest.mark.parametrize("shape", [(7,), (4, 4), IMAGE])
def test_addition_sums_the_queries_by_weight(shape: tuple[int, ...]) -> None:
    queries = torch.randn(2, 3, *shape)
    mixed = _build("addition", 3, 2, shape)(queries)
    assert torch.allclose(mixed[:, 0], queries.sum(1), atol=1e-6)
    expected = queries[:, 0] + 2 * queries[:, 1] + 3 * queries[:, 2]
    assert torch.allclose(mixed[:, 1], expected, atol=1e-5)


@pytest.mark.parametrize("queries", [2, 3, 4])
def test_packing_grey_images_adds_them(queries: int) -> None:
    given = torch.randn(3, queries, 1, 4, 6)
    packed = _build("packed", queries, shape=(1, 4, 6))(given)
    assert torch.allclose(packed, _build("addition", queries, shape=(1, 4, 6))(given), atol=1e-6)


@pytest.mark.parametrize(
    ("queries", "planes"),
    [
        (2, ["R1 G1", "B1 R2", "G2 B2"]),
        (3, ["R1 G1 B1", "R2 G2 B2", "R3 G3 B3"]),
        (4, ["R1 G1 B1 R2", "G2 B2 R3 G3", "B3 R4 G4 B4"]),
    ],
)
def test_packing_colour_images_sums_consecutive_planes(queries: int, planes: list[str]) -> None:
    """Each plane holds a power of two of its own, so that a sum tells which planes are in it."""
    names = [f"{colour}{number}" for number in range(1, queries + 1) for colour in "RGB"]
    powers = torch.tensor([2.0**place for place in range(len(names))])
    given = powers.reshape(1, queries, 3, 1, 1).expand(1, queries, *IMAGE)
    sums = _build("packed", queries)(given)[0, 0]
    assert torch.equal(sums, sums[:, :1, :1].expand_as(sums))
    found = [" ".join(name for at, name in enumerate(names) if int(total) >> at & 1) for total in sums[:, 0, 0]]
    assert found == planes


def _halves(image: Tensor) -> Tensor:
    return (image[..., ::2] + image[..., 1::2]) / 2


def test_two_images_lie_side_by_side_with_their_pixels_averaged() -> None:
    mixed = _build("concatenation")(QUERIES)[:, 0]
    assert torch.allclose(mixed[..., :3], _halves(QUERIES[:, 0]), atol=1e-6)
    assert torch.allclose(mixed[..., 3:], _halves(QUERIES[:, 1]), atol=1e-6)


@pytest.mark.parametrize("queries", [3, 4])
def test_of_more_images_each_has_a_quarter_in_the_order_of_reading(queries: int) -> None:
    given = torch.randn(5, queries, *IMAGE)
    mixed = _build("concatenation", queries)(given)[:, 0]
    quarters = [mixed[..., :2, :3], mixed[..., :2, 3:], mixed[..., 2:, :3], mixed[..., 2:, 3:]]
    for quarter, image in zip(quarters, given.unbind(1), strict=False):
        assert torch.allclose(quarter, functional.avg_pool2d(image, 2), atol=1e-6)
    if queries == 3:
        assert not quarters[3].any()


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_trained_mixers_encode_each_channel_alike(kind: str) -> None:
    turned = QUERIES[:, :, [2, 0, 1]]
    mixer = _build(kind, parities=2)
    assert torch.allclose(mixer(turned), mixer(QUERIES)[:, :, [2, 0, 1]], atol=1e-6)


@pytest.mark.parametrize(("shape", "values"), [((1, 4, 6), 24), (IMAGE, 24), ((5, 2), 10), ((7,), 7)])
def test_the_mlp_has_the_published_layers(shape: tuple[int, ...], values: int) -> None:
    mixer = _build("mlp", 3, 2, shape)
    layers = [layer for layer in mixer.modules() if isinstance(layer, nn.Linear | nn.ReLU)]
    sizes = [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]
    assert sizes == [(3 * values, 3 * values), (3 * values, 2 * values)]
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear]


def test_the_convolutions_are_the_published_ones() -> None:
    layers = _convolutions(_build("conv", 3, 2))
    assert [layer.kernel_size[0] for layer in layers] == [3, 3, 3, 3, 3, 3, 1]
    assert [layer.dilation[0] for layer in layers] == [1, 1, 2, 4, 8, 1, 1]
    assert [layer.in_channels for layer in layers] == [3, *[60] * 6]
    assert [layer.out_channels for layer in layers] == [*[60] * 6, 2]
    assert sum(isinstance(layer, nn.ReLU) for layer in _build("conv", 3, 2).modules()) == 6


def test_the_convolutions_reach_seventeen_pixels() -> None:
    mixer = _build("conv", shape=(1, 1, 41))
    for layer in _convolutions(mixer):
        nn.init.uniform_(layer.weight, 0.1, 0.2)  # so that no ReLU cuts what a pixel adds
    queries = torch.zeros(1, 2, 1, 1, 41)
    queries[0, 0, 0, 0, 20] = 1.0
    changed = (mixer(queries) - mixer(torch.zeros_like(queries)))[0, 0, 0, 0].abs() > 1e-6
    assert changed.nonzero()[[0, -1], 0].tolist() == [3, 37]


@pytest.mark.parametrize("kind", ["concatenation", "packed"])
def test_some_mixers_give_one_parity_of_images(kind: str) -> None:
    with pytest.raises(ValueError, match=rf"^`parities` must be 1 for the mixer '{kind}', but got 2\.$"):
        _build(kind, parities=2)
    with pytest.raises(
        ValueError, match=rf"^`shape` must be \(channels, height, width\) for the mixer '{kind}', but got \(784,\)\.$"
    ):
        _build(kind, shape=(784,))


def test_convolutions_need_images() -> None:
    with pytest.raises(ValueError, match=r"^`shape` must be \(channels, height, width\) for the mixer 'conv', but got"):
        _build("conv", shape=(28, 28))


@pytest.mark.parametrize("queries", [1, 5])
def test_tiles_are_laid_for_two_to_four_images(queries: int) -> None:
    with pytest.raises(ValueError, match=rf"^`queries` must be 2, 3 or 4 for .* 'concatenation', but got {queries}\.$"):
        _build("concatenation", queries)


@pytest.mark.parametrize(
    ("queries", "shape", "what"),
    [(2, (3, 4, 5), "an even width"), (3, (3, 5, 4), "an even height and width"), (4, (3, 4, 5), "an even height and")],
)
def test_sides_that_cannot_be_halved_are_refused(queries: int, shape: tuple[int, ...], what: str) -> None:
    with pytest.raises(ValueError, match=rf"^`shape` must have {what}.* of {queries} queries, but got \(3, "):
        _build("concatenation", queries, shape=shape)


def test_an_odd_height_stays_where_only_the_width_is_halved() -> None:
    assert _build("concatenation", shape=(1, 5, 4))(torch.ones(1, 2, 1, 5, 4)).eq(1).all()


@pytest.mark.parametrize(
    ("queries", "shape", "size", "way_out"),
    [
        (2, (3, 224, 224), "2 queries takes 60.4 GB", "use 'conv', whose weights do not grow with the image"),
        (4, (1, 75, 75), "4 queries takes 2.53 GB", "use 'conv', whose weights do not grow with the image"),
        (2, (20_000,), "2 queries takes 9.6 GB", "mix fewer queries"),
    ],
)
def test_an_mlp_whose_weights_would_fill_the_memory_is_refused(
    queries: int, shape: tuple[int, ...], size: str, way_out: str
) -> None:
    told = f"`shape` must leave the mixer 'mlp' at most 2 GB of weights, but got {shape}, which for {size}; {way_out}."
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        _build("mlp", queries, shape=shape)


def test_an_mlp_below_the_limit_and_convolutions_at_any_size_are_built() -> None:
    with torch.device("meta"):  # takes no memory
        mlp, conv = _build("mlp", shape=(3, 95, 95)), _build("conv", shape=(3, 224, 224))
    assert 1.9e9 < sum(weights.nbytes for weights in mlp.parameters()) < 2e9
    assert sum(weights.nbytes for weights in conv.parameters()) < 1e6


@pytest.mark.parametrize("kind", MIXERS)
def test_nothing_to_mix_is_refused(kind: str) -> None:
    for queries, parities in ((0, 1), (2, 0)):
        with pytest.raises(ValueError, match=rf"must be at least 1, but got {queries} and {parities}\.$"):
            _build(kind, queries, parities)
    with pytest.raises(ValueError, match=r"^`shape` must have axes of length 1 or more, but got \(3, 0, 6\)\.$"):
        _build(kind, shape=(3, 0, 6))


@pytest.mark.parametrize("kind", MIXERS)
def test_queries_of_another_shape_or_kind_are_refused(kind: str) -> None:
    mixer = _build(kind)
    for wrong in (torch.zeros(5, 3, *IMAGE), torch.zeros(5, 2, 3, 6, 4), torch.zeros(5, 2, *IMAGE, dtype=torch.uint8)):
        with pytest.raises(
            ValueError, match=r"^`queries` must be floats of shape \(groups, 2, 3, 4, 6\), but got torc"
        ):
            mixer(wrong)
