from __future__ import annotations

import pytest
import torch
from torch import nn

from nercc_tune.coding import build_output_decoder


def test_estimates_have_the_shape_of_the_outputs() -> None:
    assert build_output_decoder(queries=3, parities=2, outputs=10)(torch.randn(4, 5, 10)).shape == (4, 3, 10)


def test_the_layers_are_those_of_the_published_code() -> None:
    decoder = build_output_decoder(queries=3, parities=2, outputs=10)
    linear = [layer for layer in decoder if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(50, 50), (50, 30), (30, 30)]
    assert [type(layer).__name__ for layer in decoder] == [
        "Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear", "Unflatten",
    ]  # fmt: skip


def test_each_group_is_decoded_from_its_own_outputs_in_their_places() -> None:
    decoder = build_output_decoder(queries=2, parities=1, outputs=3)
    outputs = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    together = decoder(outputs)
    assert torch.allclose(together[1:], decoder(outputs[1:]), atol=1e-6)  # products of another size, in float32
    assert not torch.allclose(together, decoder(outputs[:, [1, 0, 2]]))


@pytest.mark.parametrize(("queries", "parities", "outputs"), [(0, 1, 3), (2, 0, 3), (2, 1, 0)])
def test_empty_decoders_are_refused(queries: int, parities: int, outputs: int) -> None:
    with pytest.raises(ValueError, match=rf"must be at least 1, but got {queries}, {parities} and {outputs}\.$"):
        build_output_decoder(queries=queries, parities=parities, outputs=outputs)
