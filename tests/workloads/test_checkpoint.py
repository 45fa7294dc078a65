from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.weights import apply_checkpoint, read_checkpoint

_Save = Callable[[Any, Path], None]


def _model(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Flatten(), nn.Linear(8, 4)))


_WEIGHTS = {name: value.clone() for name, value in _model().state_dict().items()}
_OTHERS = {name: value.clone() for name, value in _model(1).state_dict().items()}


def _save_zip(held: Any, path: Path) -> None:
    torch.save(held, path)


def _save_legacy(held: Any, path: Path) -> None:
    torch.save(held, path, _use_new_zipfile_serialization=False)


def _with_prefix(prefix: str, weights: dict[str, Tensor] = _WEIGHTS) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in weights.items()}


def _load(path: Path) -> tuple[nn.Module, list[str]]:
    told: list[str] = []
    model = _model(2)
    apply_checkpoint(model, read_checkpoint(path), told.append)
    return model, told


def _is_loaded(model: nn.Module, weights: dict[str, Tensor] = _WEIGHTS) -> bool:
    own = model.state_dict()
    return all(torch.equal(own[name], value) for name, value in weights.items() if "num_batches" not in name)


_NAMES = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights"),
    *("model_ema", "state_dict_ema", "ema", "params_ema"),
)


def _under(name: str, weights: dict[str, Tensor]) -> dict[str, Any]:
    return {"epoch": 3, name: weights, "best": torch.tensor(0.9)}


_WRAPPERS: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = {
    "bare": dict,
    **{name: partial(_under, name) for name in _NAMES},
    "unknown": lambda weights: {"student_of_mine": weights, "acc": 93.1},
    "nested": lambda weights: {"model": {"state_dict": weights}, "args": {"lr": 0.1}},
    "averages": lambda weights: {"ema": {"module": weights, "updates": 3}, "model": _OTHERS},
    "timm": lambda weights: {
        "epoch": 3,
        "arch": "resnet18",
        "state_dict": _OTHERS,
        "state_dict_ema": weights,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "args": Namespace(lr=0.1, model="resnet18"),
        "metric": 0.9,
    },
    "deit": lambda weights: {"model": _OTHERS, "model_ema": weights, "lr_scheduler": {"last": torch.ones(1)}},
    "lightning": lambda weights: {
        "state_dict": weights,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
        "hyper_parameters": {"lr": 0.1},
        "callbacks": {"early": {"best": torch.ones(1)}},
    },
}
_PREFIXES = [
    "",
    "module.",
    "_orig_mod.",
    "model.",
    "backbone.",
    "net.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "model.module.",
    "model._orig_mod.",
    "net.backbone.",
    "student.encoder.",
]
_SAVES: dict[str, tuple[_Save, str]] = {
    "zip": (_save_zip, "w.pth"),
    "zip named .safetensors": (_save_zip, "w.safetensors"),
    "legacy": (_save_legacy, "w.pth.tar"),
    "legacy named .safetensors": (_save_legacy, "w.safetensors"),
    "safetensors": (save_file, "w.safetensors"),
    "safetensors named .pth": (save_file, "w.pth"),
    "safetensors named .bin": (save_file, "w.bin"),
    "safetensors without a suffix": (save_file, "w"),
}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wrapper=st.sampled_from(sorted(_WRAPPERS)),
    prefix=st.sampled_from(_PREFIXES),
    form=st.sampled_from(sorted(_SAVES)),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    has_counters=st.booleans(),
)
def test_every_wrapper_prefix_and_format_loads_the_same_weights(
    tmp_path: Path, wrapper: str, prefix: str, form: str, dtype: torch.dtype, has_counters: bool
) -> None:
    weights = {
        prefix + name: value.to(dtype) if value.is_floating_point() else value
        for name, value in _WEIGHTS.items()
        if has_counters or "num_batches_tracked" not in name
    }
    save, name = _SAVES[form]
    save(weights if form.startswith("safetensors") else _WRAPPERS[wrapper](weights), tmp_path / name)
    model, told = _load(tmp_path / name)
    expected = {name: v.to(dtype).float() if v.is_floating_point() else v for name, v in _WEIGHTS.items()}
    assert _is_loaded(model, expected)
    assert len(told) <= 1
    is_plain = prefix == "" and (wrapper == "bare" or form.startswith("safetensors"))
    is_named_right = form in {"zip", "legacy", "safetensors", "safetensors without a suffix"}
    assert bool(told) != (is_plain and is_named_right)


def _told(tmp_path: Path, held: Any) -> str:
    torch.save(held, tmp_path / "w.pth")
    (told,) = _load(tmp_path / "w.pth")[1]
    return told.partition("w.pth: ")[2]


def test_what_was_done_is_said(tmp_path: Path) -> None:
    assert _told(tmp_path, _with_prefix("module.")) == "took the names without `module.`"
    assert _told(tmp_path, _WRAPPERS["timm"](_with_prefix("module."))) == (
        "took `state_dict_ema`, not `state_dict`; left out objects of `argparse.Namespace`; "
        "took the names without `module.`"
    )
    beside = _with_prefix("model._orig_mod.") | {"criterion.weight": torch.ones(3)}
    assert _told(tmp_path, {"state_dict": beside}) == (
        "took `state_dict`; took the names without `_orig_mod.` and `model.`; "
        "left out 1 weights of something else (`criterion.weight`)"
    )
    assert _told(tmp_path, _WEIGHTS | {"epoch": 3}) == "left out `epoch`, which are no tensors"


def test_averages_under_a_prefix_are_taken(tmp_path: Path) -> None:
    held = {"state_dict": _with_prefix("model.", _OTHERS) | _with_prefix("ema_model.module.")}
    torch.save(held, tmp_path / "w.ckpt")
    model, told = _load(tmp_path / "w.ckpt")
    assert _is_loaded(model)
    assert "took the names without `module.` and `ema_model.`; left out " in told[0]


def test_averages_of_torch_are_read(tmp_path: Path) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(_model())
    torch.save(averaged.state_dict(), tmp_path / "w.pth")
    assert _is_loaded(_load(tmp_path / "w.pth")[0])


@pytest.mark.parametrize(
    ("held", "match"),
    [
        ({"generator": _WEIGHTS, "discriminator": _OTHERS}, r"holds weights under `generator`, `discriminator`; save"),
        (
            _with_prefix("teacher.", _OTHERS) | _with_prefix("student."),
            r"holds it more than once, under `student\.`, `teacher\.`; save one of them alone\.$",
        ),
        (_with_prefix("module.") | _OTHERS, r"must fit the model, but got 8 unknown \(`module\.0\.weight`\)\.$"),
        (
            {k: v for k, v in (_with_prefix("module.") | _OTHERS).items() if k != "0.weight"},
            r"holds it more than once, with and without `module\.`",
        ),
        (
            {"model": nn.Linear(2, 2)},
            r"but .* does not; of the objects in it \(`torch\.nn\..*Linear` …\) save the `sta",
        ),
        ({"optimizer": {"state": {0: {"a": torch.ones(1)}}}}, r"must hold named tensors, but .*w\.pth does not\.$"),
        (
            _with_prefix("module.", {k: v for k, v in _WEIGHTS.items() if not k.startswith("2.")}),
            r"must fit the model, but got 2 missing \(`2\.1\.weight`\)\.$",
        ),
        (
            _with_prefix("module.") | {"module.extra": torch.ones(1)},
            r"must fit the model, but got 1 unknown \(`extra`\)\.$",
        ),
        (
            _WEIGHTS | {"2.1.weight": torch.ones(7, 8)},
            r"got 1 of another shape \(`2\.1\.weight`, \(7, 8\) and not \(4, 8\)\)\.$",
        ),
    ],
    ids=["models", "prefixes", "bare", "twice", "object", "optimizer", "headless", "extra", "classes"],
)
def test_what_is_not_one_fitting_model_is_refused_in_one_line(tmp_path: Path, held: Any, match: str) -> None:
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(WorkloadError, match=match) as caught:
        _load(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    with pytest.raises(WorkloadError, match=r"but .*w\.pth is a pointer; run `git lfs pull`\.$"):
        read_checkpoint(tmp_path / "w.pth")


def test_another_pickle_protocol_is_named(tmp_path: Path) -> None:
    torch.save(_WEIGHTS, tmp_path / "w.pth", pickle_protocol=4)
    with pytest.raises(WorkloadError, match=r"another pickle protocol than torch\.save's own; save it again without"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # the test writes what users still have
def test_a_script_in_place_of_weights_is_named(tmp_path: Path) -> None:
    torch.jit.script(_model()).save(str(tmp_path / "w.pth"))
    with pytest.raises(WorkloadError, match=r"it is a TorchScript program, which belongs in `model`\.$"):
        read_checkpoint(tmp_path / "w.pth")
