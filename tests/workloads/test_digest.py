from __future__ import annotations

import pytest
import torch

from nercc_tune.workloads.digest import digest_parts, digest_weights, tensor_bytes


def test_parts_are_told_apart_by_their_lengths() -> None:
    assert digest_parts([b"ab", b"c"]) != digest_parts([b"a", b"bc"])
    assert digest_parts([b"ab", b"c"]) == digest_parts(iter([b"ab", b"c"]))


def test_weights_are_hashed_in_the_order_of_their_names() -> None:
    a, b = torch.ones(2), torch.zeros(3)
    assert digest_weights({"a": a, "b": b}) == digest_weights({"b": b, "a": a})


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.tensor([1.0, 2.5])},
        {"b": torch.tensor([1.0, 2.0])},
        {"a": torch.tensor([[1.0, 2.0]])},
        {"a": torch.tensor([1.0, 2.0], dtype=torch.float64)},
    ],
    ids=["value", "name", "shape", "type"],
)
def test_any_change_of_weights_changes_the_digest(other: dict[str, torch.Tensor]) -> None:
    assert digest_weights({"a": torch.tensor([1.0, 2.0])}) != digest_weights(other)


def test_bytes_do_not_depend_on_the_memory_layout() -> None:
    square = torch.arange(4.0).view(2, 2)
    assert tensor_bytes(square.T.contiguous()) == tensor_bytes(square.T)
    assert tensor_bytes(torch.tensor(1.0, dtype=torch.bfloat16)) != tensor_bytes(torch.tensor(1.0))
