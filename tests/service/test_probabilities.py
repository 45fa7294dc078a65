"""Probabilities: the nearest to any estimate, as an optimum has to be."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nercc_tune.service.probabilities import from_decode_space, onto_simplex, to_decode_space, to_probabilities


def _values(seed: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    outputs = int(torch.randint(1, 40, (1,), generator=generator))
    scale = 10 ** float(torch.empty(1).uniform_(-4, 4, generator=generator))
    return (scale * torch.randn(5, outputs, generator=generator)).to(dtype)


@given(seed=st.integers(0, 100_000))
def test_the_nearest_probabilities_are_those_that_an_optimum_has_to_be(seed: int) -> None:
    """Add up to 1, and each positive one is as far from its value as any other, and zeros no nearer (KKT)."""
    values = _values(seed)
    nearest = onto_simplex(values)
    assert bool((nearest >= 0).all())
    assert torch.allclose(nearest.sum(-1), torch.ones(5, dtype=torch.float64))
    shift = (values - nearest).masked_fill(nearest == 0, -torch.inf).amax(-1, keepdim=True)
    assert torch.allclose(nearest, (values - shift).clamp_min(0), atol=1e-9 * float(values.abs().max()) + 1e-12)


@given(seed=st.integers(0, 100_000), other=st.integers(0, 100_000))
def test_no_estimate_gets_worse_and_no_label_changes(seed: int, other: int) -> None:
    values = _values(seed)
    generator = torch.Generator().manual_seed(other)
    truth = (3 * torch.randn(values.shape, generator=generator, dtype=torch.float64)).softmax(-1)
    nearest = onto_simplex(values)
    before, after = (values - truth).norm(dim=-1), (nearest - truth).norm(dim=-1)
    assert bool((after <= before * (1 + 1e-9) + 1e-12).all())
    assert nearest.argmax(-1).tolist() == values.argmax(-1).tolist()


def test_probabilities_stay_as_they_are_and_large_numbers_do_no_harm() -> None:
    given = torch.tensor([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]], dtype=torch.float64)
    assert torch.allclose(onto_simplex(given), given)
    assert onto_simplex(torch.tensor([[1e30, 1e30, -1e30]])).tolist() == [[0.5, 0.5, 0.0]]
    assert onto_simplex(torch.zeros(1, 4)).tolist() == [[0.25] * 4]


def test_outputs_are_read_in_the_space_of_the_decoder() -> None:
    logits = _values(3)
    probabilities = logits.softmax(-1)
    assert torch.allclose(to_probabilities(logits, "logits"), probabilities)
    assert to_probabilities(probabilities, "probabilities") is probabilities
    assert torch.allclose(to_decode_space(logits, "probabilities", "logits"), probabilities)
    assert to_decode_space(logits, "logits", "logits") is logits
    assert torch.allclose(to_decode_space(probabilities, "logits-softmax", "probabilities").exp(), probabilities)
    assert bool(to_decode_space(torch.zeros(1, 2), "logits", "probabilities").isfinite().all())
    assert torch.allclose(from_decode_space(logits, "logits-softmax"), probabilities)
    assert torch.equal(from_decode_space(logits, "probabilities"), onto_simplex(logits))
