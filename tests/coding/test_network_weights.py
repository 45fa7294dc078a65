"""Weights of several networks under one another's names."""

from __future__ import annotations

import torch
from torch import nn

from nercc_tune.coding.network_weights import weights_of, weights_under


def test_what_was_put_together_comes_apart() -> None:
    networks = {"decoder": nn.Linear(2, 3), "parity-1": nn.Linear(3, 1), "parity-10": nn.Linear(3, 1)}
    whole = weights_of(networks)
    assert len(whole) == 6
    for name, network in networks.items():
        own = weights_under(whole, name)
        assert own.keys() == network.state_dict().keys()
        assert all(torch.equal(value, own[key]) for key, value in network.state_dict().items())


def test_names_nest() -> None:
    weights = {f"best.{name}": value for name, value in weights_of({"mixer": nn.Linear(2, 2)}).items()}
    assert weights_under(weights_under(weights, "best"), "mixer").keys() == {"weight", "bias"}


def test_nothing_lies_under_a_name_that_there_is_none_of() -> None:
    assert weights_under({"parity-1.weight": torch.ones(1), "parity": torch.ones(1)}, "parity") == {}
