from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.weights import apply_weights, read_weights, write_weights


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(path, {"a": torch.tensor([1.0, 0.5]), "count": torch.tensor(3)}, {"seed": "7"})
    weights = read_weights(path)
    assert {name: value.dtype for name, value in weights.items()} == {"a": torch.float32, "count": torch.int64}
    assert weights["a"].tolist() == [1.0, 0.5]
    with safe_open(path, framework="pt") as written:
        assert written.metadata() == {"seed": "7"}
        assert written.get_tensor("a").dtype == torch.float16


def test_nothing_but_the_new_file_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for value in (1.0, 2.0):
        write_weights(path, {"a": torch.tensor([value])}, {})
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644
    assert read_weights(path)["a"].item() == 2.0


def test_the_old_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(path, {"a": torch.tensor([1.0])}, {})
    shared = torch.ones(2)
    with pytest.raises(RuntimeError, match="share memory"):
        write_weights(path, {"a": shared.long(), "b": (long := shared.long()), "c": long}, {})
    assert list(tmp_path.iterdir()) == [path]
    assert read_weights(path)["a"].item() == 1.0


@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_pickles_of_tensors_are_read_also_when_nested(tmp_path: Path, key: str | None) -> None:
    path = tmp_path / "weights.pth"
    weights = {"a": torch.ones(2)}
    torch.save(weights if key is None else {key: weights, "epoch": 3}, path)
    assert read_weights(path)["a"].tolist() == [1.0, 1.0]


def test_a_pickle_of_anything_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(
        WorkloadError, match=r"^`checkpoint` must be safetensors, or a pickle of tensors alone, but .*pth is"
    ):
        read_weights(path)


def test_a_broken_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(WorkloadError, match=r"^`checkpoint` must be safetensors, but .*weights\.safetensors is not"):
        read_weights(path)


@pytest.mark.parametrize("contents", [{}, {"a": 1}, [torch.ones(1)]], ids=["empty", "number", "list"])
def test_a_pickle_without_named_tensors_is_refused(tmp_path: Path, contents: object) -> None:
    path = tmp_path / "weights.pth"
    torch.save(contents, path)
    with pytest.raises(WorkloadError, match=r"^`checkpoint` must hold named tensors, but .*pth does not\.$"):
        read_weights(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataMissingError, match=r"^`checkpoint` must be a weights file, but there is none at .*absent\.pth\.$"
    ):
        read_weights(tmp_path / "absent.pth")


def test_weights_that_do_not_fit_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.ones(3, 2), "extra": torch.ones(1)}, path)
    with pytest.raises(
        WorkloadError,
        match=r"^the weights of x must fit the model, but got 1 missing \(`bias`\), 1 unknown \(`extra`\), "
        r"1 of another shape \(`weight`, \(3, 2\) and not \(2, 2\)\)\.$",
    ):
        apply_weights(nn.Linear(2, 2), read_weights(path), source="x")
