from __future__ import annotations

import argparse
import datetime as dt
import functools
import subprocess
import types
from collections import defaultdict, deque
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.unpickling import load_tensors
from nercc_tune.workloads.weights import read_checkpoint

_WEIGHTS = {"a": torch.arange(3.0)}


class _Colour(Enum):
    RED = 1


class _Settings(dict[str, object]):
    pass


@dataclass(frozen=True, slots=True)
class _Slots:
    rate: float = 0.1


class _Calls:
    """An object whose pickle calls something."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.called = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.called


def _touch(path: str) -> None:
    Path(path).touch()


_BESIDE = {
    "namespace": argparse.Namespace(rate=0.1, path=Path("/x"), best=np.float64(1), more=argparse.Namespace(a=[1])),
    "number": np.float32(3),
    "array": np.ones(3),
    "words": np.array(["a"]),
    "dtype": np.dtype("float32"),
    "defaultdict": defaultdict(list, {"a": [1]}),
    "deque": deque([1, 2]),
    "time": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "partial": functools.partial(int, base=2),
    "namespaces in a mapping": _Settings(a=types.SimpleNamespace(b=1)),
    "enumeration": _Colour.RED,
    "slots": _Slots(),
    "module": nn.Linear(2, 2),
    "random states": [torch.get_rng_state(), np.random.RandomState(0).get_state()],
}


# The old format keeps the source of modules in a way that torch refuses to read.
@pytest.mark.parametrize(
    ("name", "is_zip"),
    [(name, is_zip) for name in _BESIDE for is_zip in (True, False) if is_zip or name != "module"],
)
def test_objects_beside_the_tensors_are_skipped(tmp_path: Path, name: str, is_zip: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": _WEIGHTS, "beside": _BESIDE[name]}, path, _use_new_zipfile_serialization=is_zip)
    loaded, skipped = load_tensors(path)
    assert isinstance(loaded, dict)
    assert torch.equal(loaded["state_dict"]["a"], _WEIGHTS["a"])
    assert not isinstance(loaded["beside"], type(_BESIDE[name])) or name in {"deque", "random states"}
    assert skipped
    assert all("OrderedDict" not in kind and "Storage" not in kind for kind in skipped)


def test_nothing_is_said_of_a_file_of_tensors_alone(tmp_path: Path) -> None:
    torch.save({"state_dict": _WEIGHTS, "epoch": 3, "args": {"rate": 0.1}}, tmp_path / "weights.pth")
    assert load_tensors(tmp_path / "weights.pth")[1] == ()


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("function", "named"),
    [
        (_touch, r"_touch"),
        (Path.touch, "getattr"),
        (eval, "eval"),
        (subprocess.check_call, r"\w+\.check_call"),
        (subprocess.Popen, r"\w+\.Popen"),
        (functools.partial(_touch), r"\S*_touch"),
        (torch.hub.load, r"torch\.hub\.load"),
        (np.load, r"numpy\.load"),
    ],
    ids=["own", "method", "eval", "process", "class of processes", "partial", "torch", "numpy"],
)
def test_what_calls_a_function_is_refused_and_nothing_runs(
    tmp_path: Path, function: object, named: str, is_zip: bool
) -> None:
    path, witness, safe = tmp_path / "weights.pth", tmp_path / "witness", torch.serialization.get_safe_globals()
    held = {"state_dict": _WEIGHTS, "args": argparse.Namespace(evil=_Calls(function, str(witness)))}
    torch.save(held, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(WorkloadError, match=rf"is neither: it calls `\S*{named}`, which could run anything; save"):
        read_checkpoint(path)
    assert not witness.exists()
    assert set(torch.serialization.get_safe_globals()) == set(safe)


def test_a_class_of_another_package_is_never_made(tmp_path: Path) -> None:
    class Touches:
        def __setstate__(self, state: dict[str, str]) -> None:
            Path(state["path"]).touch()

    Touches.__qualname__ = "Touches"
    globals()["Touches"] = Touches
    touching = Touches()
    touching.path = str(tmp_path / "witness")  # type: ignore[attr-defined]  # its state
    torch.save({"state_dict": _WEIGHTS, "args": touching}, tmp_path / "weights.pth")
    _, skipped = load_tensors(tmp_path / "weights.pth")
    assert [name.rpartition(".")[2] for name in skipped] == ["Touches"]
    assert not (tmp_path / "witness").exists()
