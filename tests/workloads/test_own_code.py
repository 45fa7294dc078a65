from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.workloads import Workload, load_workload
from nercc_tune.workloads.own_code import build_from_code, find_preprocessing, is_code
from nercc_tune.workloads.preprocessing import PlainPixels, TimmPreprocessing

_MODULE = "users_models"
_SOURCE = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("imported").touch()
number = 3

class Box:
    @staticmethod
    def build():
        return nn.Linear(6, 4)

def build():
    return nn.Linear(6, 4)

def constant():
    model = nn.Linear(6, 4)
    nn.init.ones_(model.weight)
    return model

def fail():
    raise RuntimeError("no\\nluck")

def give():
    return 3

def wants(size):
    return nn.Linear(size, 4)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / f"{_MODULE}.py").write_text(_SOURCE, encoding="utf-8")
    (tmp_path / "broken_models.py").write_text("1 / 0\n", encoding="utf-8")
    np.savez(tmp_path / "vectors.npz", images=np.eye(4, 6, dtype=np.float32), labels=np.arange(4))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop(_MODULE, None)


def _load(folder: Path, model: str, *, allow_code: bool = True, **settings: object) -> Workload:
    checked = WorkloadSettings.model_validate({"model": model, "data": "npz", "data_dir": "vectors.npz", **settings})
    return load_workload(checked, home=folder, data_dir=folder, allow_code=allow_code)


def test_code_that_is_not_allowed_is_not_even_imported(folder: Path) -> None:
    with pytest.raises(
        WorkloadError,
        match=rf"^`{_MODULE}:build` names Python code, which may do all that you may; "
        r"give --allow-code if you trust the study file\.$",
    ):
        _load(folder, f"{_MODULE}:build", allow_code=False)
    assert not (folder / "imported").exists()


def test_code_that_is_allowed_builds_the_model(folder: Path) -> None:
    workload = _load(folder, f"{_MODULE}:build")
    assert (workload.model_name, workload.weights_source) == (f"{_MODULE}:build", "own code")
    assert (workload.query_shape, workload.outputs, workload.model.training) == ((6,), 4, False)
    assert _load(folder, f"{_MODULE}:Box.build").outputs == 4


def test_the_fingerprint_covers_weights_and_name(folder: Path) -> None:
    state = torch.random.get_rng_state()
    prints = [_load(folder, f"{_MODULE}:build", seed=seed).fingerprint for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert prints[0] == prints[1] != prints[2]
    assert _load(folder, f"{_MODULE}:Box.build").fingerprint != prints[0]  # equal weights under another name
    assert _load(folder, f"{_MODULE}:constant").fingerprint not in prints


def test_a_checkpoint_gives_the_weights(folder: Path) -> None:
    save_file({"weight": torch.ones(4, 6), "bias": torch.zeros(4)}, folder / "ones.safetensors")
    workload = _load(folder, f"{_MODULE}:build", checkpoint="ones.safetensors")
    assert workload.weights_source == "checkpoint"
    assert workload.model.state_dict()["weight"].mean() == 1.0


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (
            "absent_module:build",
            r"cannot be imported \(ModuleNotFoundError: .*\); install it, or name its folder in PY",
        ),
        ("broken_models:build", r"cannot be imported \(ZeroDivisionError: division by zero\)"),
        (f"{_MODULE}:absent", rf"^`{_MODULE}` has no `absent`, which `{_MODULE}:absent` names; correct the name\.$"),
        (f"{_MODULE}:number", r"must be a function or a class that builds the model, but cannot be called\.$"),
        (f"{_MODULE}:fail", r"must build a model without arguments, but fails \(RuntimeError: no luck\)\.$"),
        (f"{_MODULE}:wants", r"must build a model without arguments, but fails \(TypeError: .*\)\.$"),
        (f"{_MODULE}:give", r"must give a torch\.nn\.Module, but gives a int\.$"),
    ],
)
def test_code_that_gives_no_model_is_refused_in_one_line(folder: Path, model: str, match: str) -> None:
    with pytest.raises(WorkloadError, match=match) as caught:
        _load(folder, model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["pretrained", "random_weights"])
def test_other_sources_of_weights_are_refused(folder: Path, setting: str) -> None:
    with pytest.raises(WorkloadError, match=r"^`pretrained` and `random_weights` must be left out for `users_models:b"):
        _load(folder, f"{_MODULE}:build", **{setting: True})


@pytest.mark.parametrize(
    "name", ["hf-hub:a/b", "a:", ":a", "a::b", "a:b:c", "a.:b", "a:b()", "a b:c", "1a:b", "resnet18"]
)
def test_what_is_not_of_the_form_names_no_code(name: str) -> None:
    assert not is_code(name)


def test_models_of_timm_bring_their_preprocessing() -> None:
    import timm  # noqa: PLC0415 - timm takes seconds to import

    assert isinstance(find_preprocessing(timm.create_model("resnet10t")), TimmPreprocessing)
    assert find_preprocessing(nn.Linear(2, 2)) == PlainPixels()


def test_a_class_is_called_without_arguments() -> None:
    assert isinstance(build_from_code("torch.nn:Identity", seed=0), nn.Identity)
