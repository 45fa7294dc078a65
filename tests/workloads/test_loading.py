from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from nercc_tune.errors import OutputError, WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.workloads import MODELS, Workload, load_workload
from nercc_tune.workloads.checkpoint import Checkpoint
from nercc_tune.workloads.loading import _find_weights_of
from nercc_tune.workloads.timm_model import build_timm_model

_SMALL_TIMM = "resnet10t"
_LENET: dict[str, Any] = {"model": "lenet5", "data": "digits"}


def _load(folder: Path, *, allow_code: bool = False, **settings: object) -> Workload:
    checked = WorkloadSettings.model_validate(settings)
    return load_workload(checked, home=folder, data_dir=folder, allow_code=allow_code)


def _save_lenet(path: Path, *, scale: float = 1.0, outputs: int = 10) -> Path:
    """Write weights that no seed draws again, so that tests need not train."""
    weights = MODELS["lenet5"].build(outputs).state_dict()
    drawn = torch.Generator().manual_seed(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: scale * torch.rand(w.shape, generator=drawn) for name, w in weights.items()}, path)
    return path


def _write_shades(folder: Path) -> Path:
    for shade, name in enumerate(("a", "b")):
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.full((20, 30, 3), shade, dtype=np.uint8)).save(folder / name / "image.png")
    return folder


def _vectors(path: Path) -> Path:
    np.savez(path, images=np.eye(4, 6, dtype=np.float32), labels=np.arange(4))
    return path


def _export(path: Path, model: nn.Module, example: torch.Tensor, *, is_dynamic: bool = True) -> str:
    shapes = ({0: torch.export.Dim("batch")},) if is_dynamic else None
    torch.export.save(torch.export.export(model, (example,), dynamic_shapes=shapes), path)
    return str(path)


def test_random_weights_are_drawn_by_the_seed_alone(tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    first, same, other = (_load(tmp_path, **_LENET, random_weights=True, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.fingerprint == same.fingerprint != other.fingerprint
    assert (first.model_name, first.data_name, first.weights_source) == ("lenet5", "digits", "random")
    assert (first.query_shape, first.outputs, len(first.data)) == ((1, 32, 32), 10, 800)
    assert not first.model.training
    assert not any(p.requires_grad for p in first.model.parameters())


def test_own_models_take_the_checkpoint_then_the_home_directory(tmp_path: Path) -> None:
    kept = _save_lenet(tmp_path / "weights" / "lenet5-digits.safetensors")
    assert _load(tmp_path, **_LENET).weights_source == "home"
    given = _save_lenet(tmp_path / "other.safetensors", scale=2.0)
    workload = _load(tmp_path, **_LENET, checkpoint=str(given))
    assert workload.weights_source == "checkpoint"
    assert workload.fingerprint != _load(tmp_path, **_LENET).fingerprint
    shutil.copy(kept, given)
    assert _load(tmp_path, **_LENET, checkpoint=str(given)).fingerprint == _load(tmp_path, **_LENET).fingerprint


def test_the_fingerprint_does_not_depend_on_where_files_lie(tmp_path: Path) -> None:
    prints = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        weights = _save_lenet(folder / f"{name}.safetensors")
        shades = _write_shades(folder / name)
        workload = _load(tmp_path, model="lenet5", data="folder", data_dir=str(shades), checkpoint=str(weights))
        prints.add(workload.fingerprint)
    assert len(prints) == 1
    assert workload.data.name == "folder"


def test_the_folder_of_the_settings_comes_before_the_default(tmp_path: Path) -> None:
    _write_shades(tmp_path / "shades")
    settings = WorkloadSettings(model="lenet5", data="folder", data_dir=str(tmp_path / "shades"), random_weights=True)
    workload = load_workload(settings, home=tmp_path, data_dir=tmp_path / "absent")
    assert workload.outputs == 2
    assert workload.data.load([1])[0].shape == (1, 1, 32, 32)


def test_data_and_checkpoints_may_be_relative_to_the_default_folder(tmp_path: Path) -> None:
    _write_shades(tmp_path / "shades")
    _save_lenet(tmp_path / "weights" / "given.safetensors")
    workload = _load(tmp_path, model="lenet5", data="folder", data_dir="shades", checkpoint="weights/given.safetensors")
    assert (len(workload.data), workload.weights_source) == (2, "checkpoint")


def test_too_few_queries_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    def refuse(count: int) -> None:
        raise ValueError(f"too few: {count}")

    settings = WorkloadSettings(model="lenet5", data="digits")
    with pytest.raises(ValueError, match=r"^too few: 800$"):
        load_workload(settings, home=tmp_path, data_dir=tmp_path, check_size=refuse)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scale", [float("nan"), 1e38], ids=["nan", "overflow"])
def test_weights_that_give_no_finite_logits_are_refused(tmp_path: Path, scale: float) -> None:
    path = _save_lenet(tmp_path / "bad.safetensors", scale=scale)
    with pytest.raises(
        OutputError, match=r"^`lenet5` must answer a query with finite floats .* but got NaN or infinity"
    ):
        _load(tmp_path, **_LENET, checkpoint=str(path))


def test_too_few_outputs_for_the_labels_are_refused(tmp_path: Path) -> None:
    path = _save_lenet(tmp_path / "few.safetensors", outputs=9)
    with pytest.raises(
        OutputError, match=r"^`lenet5` must have an output for each label of `digits`, but got 9 outputs"
    ):
        _load(tmp_path, **_LENET, checkpoint=str(path))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"fc.weight": torch.ones(10, 3)}, path)
    for model in ("lenet5", _SMALL_TIMM):
        with pytest.raises(
            WorkloadError, match=r"^the weights of .*other\.safetensors must fit the model, but got \d+ miss"
        ):
            _load(tmp_path, model=model, data="digits", checkpoint=str(path))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"model": "lenet5", "data": "svhm"},
            r"^`data` must be one of cifar10, .* but got `svhm`; did you mean `svhn`\?$",
        ),
        ({"model": "lenet5", "data": "????"}, r"^`data` must be one of cifar10, .* but got `\?\?\?\?`\.$"),
        ({**_LENET, "pretrained": True}, r"^`pretrained` must be left out for `lenet5`, which is no model of timm\.$"),
        (
            {"model": "repvgg_slim", "data": "digits"},
            r"^there are no weights for `repvgg_slim` on `digits`, only for `lenet5` on `digits`, .*; give a `ch",
        ),
        (
            {"model": "a.pt2", "data": "digits", "random_weights": True},
            r"^`checkpoint`, `pretrained` and `random_weights` must be left out where `model` is a file",
        ),
        (
            {"model": _SMALL_TIMM, "data": "digits"},
            r"^`resnet10t` needs weights: give a `checkpoint` file, set `pretrained` .*, or set `random_weights`",
        ),
        (
            {"model": "resnet10", "data": "digits"},
            r"^`model` must be a registered model, a timm name .* but got `resnet10`; did you mean .*`resnet10t`.*\?$",
        ),
        ({"model": "lenet", "data": "digits"}, r"but got `lenet`; did you mean `lenet5`.*\?$"),
        ({"model": "????", "data": "digits"}, r"but got `\?\?\?\?`; timm\.list_models\(\) lists them\.$"),
        (
            {"model": "resnet10t.nothing", "data": "digits", "random_weights": True},
            r"^`resnet10t\.nothing` cannot be built \(.*\); give a `checkpoint` file, or set `random_weights`\.$",
        ),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, settings: dict[str, object], match: str) -> None:
    with pytest.raises(WorkloadError, match=match):
        load_workload(WorkloadSettings.model_validate(settings), home=tmp_path, data_dir=tmp_path, allow_code=True)


def test_own_models_without_weights_name_the_training(tmp_path: Path) -> None:
    (tmp_path / "test" / "0").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(tmp_path / "test" / "0" / "0.png")
    with pytest.raises(
        WorkloadError,
        match=r"^there are no weights for `repvgg_a2_cifar` on `cifar10` yet; run `nercc-tune train repvgg-a2-cifar10`",
    ):
        _load(tmp_path, model="repvgg_a2_cifar", data="cifar10")


def test_a_timm_checkpoint_gives_the_number_of_classes(tmp_path: Path) -> None:
    import timm  # noqa: PLC0415 - timm takes seconds to import

    model = timm.create_model(_SMALL_TIMM, num_classes=10)
    path = tmp_path / "small.safetensors"
    save_file({name: w.half() if w.is_floating_point() else w for name, w in model.state_dict().items()}, path)
    workload = _load(tmp_path, model=_SMALL_TIMM, data="digits", checkpoint=str(path))
    assert (workload.outputs, workload.weights_source) == (10, "checkpoint")
    assert workload.query_shape == (3, 176, 176)
    assert next(workload.model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "levit_conv_128s"])
def test_a_timm_checkpoint_whose_classifier_is_several_heads_gives_the_number_of_classes(name: str) -> None:
    import timm  # noqa: PLC0415 - the same

    model = timm.create_model(name, num_classes=7)
    weights = {f"module.{key}": value for key, value in model.state_dict().items()}
    built = build_timm_model(name, checkpoint=Checkpoint(source="x", weights=weights))
    assert {key: value.shape for key, value in built.state_dict().items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }


def test_what_was_done_to_a_checkpoint_is_said(tmp_path: Path) -> None:
    weights = MODELS["lenet5"].build(10).state_dict()
    torch.save({"net": {f"module.{name}": value for name, value in weights.items()}, "acc": 99.1}, tmp_path / "w.pth")
    told: list[str] = []
    settings = WorkloadSettings(**_LENET, checkpoint=str(tmp_path / "w.pth"))
    load_workload(settings, home=tmp_path, data_dir=tmp_path, notify=told.append)
    assert told == [f"checkpoint {tmp_path}/w.pth: took `net`; took the names without `module.`"]


def test_probabilities_that_are_none_are_refused_before_a_search(tmp_path: Path) -> None:
    path = _save_lenet(tmp_path / "weights.safetensors")
    with pytest.raises(OutputError, match=r"^`lenet5` must give probabilities, as `workload\.outputs` says, but gives"):
        _load(tmp_path, **_LENET, checkpoint=str(path), outputs="probabilities")


def test_an_exported_program_is_a_workload(tmp_path: Path) -> None:
    data_dir = str(_vectors(tmp_path / "vectors.npz"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Linear(6, 4).eval()
    program = _export(tmp_path / "model.pt2", model, torch.zeros(2, 6))
    workload = _load(tmp_path, model=program, data="npz", data_dir=data_dir, allow_code=True)
    assert (workload.model_name, workload.weights_source) == ("model.pt2", "exported program")
    assert (workload.query_shape, workload.outputs) == ((6,), 4)
    queries, _ = workload.data.load([0, 1, 3])
    assert torch.equal(workload.model(queries), model(queries))
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy(program, tmp_path / "elsewhere" / "renamed.pt2")
    again = _load(tmp_path, model=str(moved), data="npz", data_dir=data_dir, allow_code=True)
    assert again.fingerprint == workload.fingerprint


def test_a_program_of_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    data_dir = str(_vectors(tmp_path / "vectors.npz"))
    program = _export(tmp_path / "model.pt2", nn.Linear(6, 4).eval(), torch.zeros(2, 6), is_dynamic=False)
    with pytest.raises(WorkloadError, match=r"^`model\.pt2` must answer any number .* with a dynamic batch axis\.$"):
        _load(tmp_path, model=program, data="npz", data_dir=data_dir, allow_code=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_exported_program_takes_a_folder_of_grey_and_coloured_files(tmp_path: Path, channels: int) -> None:
    modes = ("L", "RGB", "P", "RGBA", "I;16")
    for number, mode in enumerate(modes):
        (tmp_path / "images" / str(number)).mkdir(parents=True)
        Image.new(mode, (4, 4)).save(tmp_path / "images" / str(number) / "0.png")
    model = nn.Sequential(nn.Flatten(), nn.Linear(16 * channels, 5)).eval()
    program = _export(tmp_path / "model.pt2", model, torch.zeros(2, channels, 4, 4))
    workload = _load(tmp_path, model=program, data="folder", data_dir="images", allow_code=True)
    assert workload.query_shape == (channels, 4, 4)
    assert workload.data.load(range(5))[0].shape == (5, channels, 4, 4)
    assert workload.data.check(range(5))[0].startswith(
        f"`model.pt2` takes {'one' if channels == 1 else 'three'} channel"
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # the test writes what users still have
def test_a_script_is_a_workload(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    torch.jit.script(model).save(str(tmp_path / "model.pt"))
    path = tmp_path / "images.npz"
    np.savez(path, images=np.full((2, 8, 8), 255, dtype=np.uint8), labels=np.arange(2))
    workload = _load(tmp_path, model=str(tmp_path / "model.pt"), data="npz", data_dir=str(path), allow_code=True)
    assert workload.query_shape == (1, 8, 8)
    assert workload.data.load([0])[0].mean() == 1.0


@pytest.mark.slow
def test_lenet5_is_trained_on_the_spot_once(tmp_path: Path) -> None:
    told: list[str] = []
    settings = WorkloadSettings(model="lenet5", data="digits")
    workloads = [load_workload(settings, home=tmp_path, data_dir=tmp_path, notify=told.append) for _ in range(2)]
    assert told == ["training lenet5-digits, which takes seconds"]
    assert workloads[0].fingerprint == workloads[1].fingerprint
    assert [workload.weights_source for workload in workloads] == ["home", "home"]
    assert _measure_accuracy(workloads[0], range(800)) >= 0.97


def _measure_accuracy(workload: Workload, indices: range) -> float:
    hits = 0
    for start in range(0, len(indices), 50):
        queries, labels = workload.data.load(indices[start : start + 50])
        with torch.inference_mode():
            hits += int((workload.model(queries).argmax(1) == labels).sum())
    return hits / len(indices)


@pytest.mark.parametrize(
    ("model", "data", "spacing", "accuracy"),
    [
        pytest.param("lenet5", "mnist", 5, 0.9944, id="lenet5"),
        pytest.param("repvgg_slim", "cifar10", 10, 0.9035, id="repvgg", marks=pytest.mark.slow),
    ],
)
def test_shipped_weights_reach_their_accuracy(
    tmp_path: Path, data_root: Path, model: str, data: str, spacing: int, accuracy: float
) -> None:
    settings = WorkloadSettings(model=model, data=data)
    workload = load_workload(settings, home=tmp_path, data_dir=data_root)
    assert workload.weights_source == "shipped"
    measured = _measure_accuracy(workload, range(0, len(workload.data), spacing))
    assert measured == pytest.approx(accuracy, abs=4 * (accuracy * (1 - accuracy) * spacing / 10_000) ** 0.5)


@pytest.mark.slow
def test_given_weights_of_a_resnet18_reach_their_accuracy(tmp_path: Path, data_root: Path) -> None:
    settings = WorkloadSettings(
        model="resnet18_cifar", data="cifar10", checkpoint="weights/resnet18_cifar10_fp16.safetensors"
    )
    workload = load_workload(settings, home=tmp_path, data_dir=data_root)
    assert (workload.query_shape, workload.outputs, workload.weights_source) == ((3, 32, 32), 10, "checkpoint")
    measured = _measure_accuracy(workload, range(0, 10_000, 10))
    assert measured == pytest.approx(0.9499, abs=0.028)  # four standard errors


@pytest.mark.slow
def test_a_half_precision_vit_classifies_imagenet(tmp_path: Path, data_root: Path) -> None:
    settings = WorkloadSettings(
        model="vit_tiny_patch16_224",
        data="folder",
        data_dir=str(data_root / "imagenet-sample" / "val"),
        checkpoint=str(data_root / "weights" / "vit_tiny_patch16_224_in1k_fp16.safetensors"),
    )
    workload = load_workload(settings, home=tmp_path, data_dir=data_root)
    assert (workload.query_shape, workload.outputs, len(workload.data)) == ((3, 224, 224), 1000, 1000)
    assert _measure_accuracy(workload, range(0, 1000, 10)) == pytest.approx(0.817, abs=0.12)  # three standard errors


def test_pretrained_weights_that_lie_in_the_data_folder_are_those_of_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("resnet18d.safetensors", "resnet18_a1.safetensors"):
        (folder / name).touch()
    assert _find_weights_of("resnet18", tmp_path) == folder / "resnet18_a1.safetensors"
    assert _find_weights_of("resnet1", tmp_path) is None
