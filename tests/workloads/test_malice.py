from __future__ import annotations

import io
import json
import re
import tarfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.workloads import Workload, load_workload
from nercc_tune.workloads.program import load_program
from tests.workloads.malice import Payload, pickled, rewrite


def _load(folder: Path, **settings: object) -> Workload:
    return load_workload(WorkloadSettings.model_validate(settings), home=folder, data_dir=folder)


def _refused(folder: Path, match: str, **settings: object) -> None:
    """Check that settings are refused in one line, and that nothing has run."""
    with pytest.raises(WorkloadError, match=match) as caught:
        _load(folder, **settings)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (folder / "witness").exists()


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".pkl", ".ckpt", ".safetensors", ""])
@pytest.mark.parametrize("form", ["pickle", "torch", "legacy torch"])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, suffix: str, form: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickled(tmp_path / "witness"))
    if form != "pickle":
        weights = {"a": torch.ones(1), "b": Payload(tmp_path / "witness")}
        torch.save(weights, path, _use_new_zipfile_serialization=form == "torch")
    _refused(tmp_path, r"^`checkpoint` must be", model="lenet5", data="digits", checkpoint=str(path))


@pytest.mark.parametrize("place", ["args", "state_dict", "model_ema"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_what_would_run_code_beside_good_weights_is_refused(tmp_path: Path, place: str, is_zip: bool) -> None:
    path = tmp_path / "weights.pth"
    held = {"net": {"a": torch.ones(1)}, place: Namespace(hidden=Payload(tmp_path / "witness"))}
    torch.save(held, path, _use_new_zipfile_serialization=is_zip)
    match = r"^`checkpoint` must be .* is neither: it calls `getattr`, which could run anything; save the weights alone"
    _refused(tmp_path, match, model="lenet5", data="digits", checkpoint=str(path))


@pytest.mark.parametrize("name", ["images", "labels", "other"])
def test_arrays_that_would_run_code_are_refused_or_never_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "queries.npz"
    evil = np.array([Payload(tmp_path / "witness")] * 2, dtype=object)
    arrays = {"images": np.zeros((2, 32, 32), dtype=np.uint8), "labels": np.arange(2), name: evil}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # NumPy's own options stand beside the arrays
    settings = {"model": "lenet5", "data": "npz", "data_dir": str(path), "random_weights": True}
    if name == "other":
        _load(tmp_path, **settings)
        assert not (tmp_path / "witness").exists()
    else:
        _refused(tmp_path, r"must be an \.npz file of plain arrays, but cannot be read: Object arrays", **settings)


def test_a_pickle_in_place_of_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queries.npz"
    path.write_bytes(pickled(tmp_path / "witness"))
    _refused(tmp_path, r"must be an \.npz file of plain arrays", model="lenet5", data="npz", data_dir=str(path))


def test_a_pickle_in_place_of_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "0.png").write_bytes(pickled(tmp_path / "witness"))
    settings = {"model": "lenet5", "data": "folder", "data_dir": "images", "random_weights": True}
    _refused(tmp_path, r"must be an image, but cannot be decoded", **settings)


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the port of nobody


@pytest.mark.usefixtures("_no_network")
def test_pickles_in_place_of_the_batches_of_cifar10_are_refused(tmp_path: Path) -> None:
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in ("test_batch", "batches.meta", *(f"data_batch_{number}" for number in range(1, 6))):
        (batches / name).write_bytes(pickled(tmp_path / "witness"))
    _refused(tmp_path, r"^the data set `cifar10` is expected", model="lenet5", data="cifar10", random_weights=True)


@pytest.mark.usefixtures("_no_network")
def test_an_archive_with_members_above_the_data_folder_is_not_unpacked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with tarfile.open(data / "cifar-10-python.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("../escaped")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    _refused(data, r"^the data set `cifar10` is expected", model="lenet5", data="cifar10", random_weights=True)
    assert not (tmp_path / "escaped").exists()


def test_a_pickle_in_the_place_of_old_versions_of_mnist_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "processed"
    folder.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save(Payload(tmp_path / "witness"), folder / name)
    match = r"^the files of `mnist` in .* cannot be read \(.*\); remove them, so that they are downloaded again\.$"
    _refused(tmp_path, match, model="lenet5", data="mnist", random_weights=True)


@pytest.mark.parametrize(
    "name", ["hf-hub:timm/resnet10t", "local-dir:/tmp", "resnet10t.x/../../y", "resnet10t.\0", "../resnet10t", "~/m"]
)
def test_models_from_elsewhere_are_no_names_of_timm(tmp_path: Path, name: str) -> None:
    _refused(tmp_path, r"^`model` must be a registered model", model=name, data="digits", pretrained=True)


def _export(path: Path) -> Path:
    shapes = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(nn.Linear(6, 4), (torch.zeros(2, 6),), dynamic_shapes=shapes), path)
    return path


def _pickle_the_weights(name: str, content: bytes, witness: Path) -> bytes:
    if name.endswith("weights_config.json"):
        config = json.loads(content)
        for weight in config["config"].values():
            weight["use_pickle"] = True
        return json.dumps(config).encode()
    return _torch_pickle(witness) if "/weights/weight_" in name else content


def _pickle_the_inputs(name: str, content: bytes, witness: Path) -> bytes:
    return _torch_pickle(witness) if "sample_inputs" in name else content


def _call_in_a_shape(name: str, content: bytes, witness: Path) -> bytes:
    call = f"__import__('pathlib').Path('{witness}').touch() or "
    changed = re.sub(r'("expr_str": ?)"', lambda found: f'{found[1]}"{call}', content.decode(errors="ignore"))
    return changed.encode() if name.endswith("model.json") else content


def _torch_pickle(witness: Path) -> bytes:
    written = io.BytesIO()
    torch.save(Payload(witness), written)
    return written.getvalue()


@pytest.mark.parametrize("change", [_pickle_the_weights, _pickle_the_inputs, _call_in_a_shape])
def test_an_exported_program_that_would_run_code_is_not_loaded(
    tmp_path: Path, change: Callable[[str, bytes, Path], bytes]
) -> None:
    witness = tmp_path / "witness"
    path = rewrite(_export(tmp_path / "g.pt2"), tmp_path / "e.pt2", lambda n, content: change(n, content, witness))
    _refused(tmp_path, r"^`.*e\.pt2` is a file with a program, .*; give --allow-code", model=str(path), data="digits")


def test_an_exported_program_can_run_code_which_is_why_it_must_be_allowed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = rewrite(
        _export(tmp_path / "g.pt2"), tmp_path / "e.pt2", lambda n, content: _call_in_a_shape(n, content, witness)
    )
    load_program(path)
    assert witness.exists()


class _Writes(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        torch.save(queries, self.path)
        return queries


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # the test writes what users still have
def test_a_script_can_write_files_which_is_why_it_must_be_allowed(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.script(_Writes(str(tmp_path / "witness"))).save(str(path))
    _refused(tmp_path, r"model\.pt` is a file with a program, .*; give --allow-code", model=str(path), data="digits")
    load_program(path)(torch.zeros(1, 2))
    assert (tmp_path / "witness").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # the same
@pytest.mark.parametrize("victim", ["data.pkl", "constants.pkl"])
def test_pickles_in_a_script_run_nothing_even_where_it_is_allowed(tmp_path: Path, victim: str) -> None:
    good, evil, witness = tmp_path / "good.pt", tmp_path / "evil.pt", tmp_path / "witness"
    torch.jit.script(nn.Linear(2, 2)).save(str(good))
    rewrite(good, evil, lambda name, content: pickled(witness) if name.endswith(victim) else content)
    with pytest.raises(WorkloadError, match=r"^`model` must be a TorchScript .* is neither; a weights file belongs"):
        load_program(evil)
    assert not witness.exists()


@pytest.mark.parametrize("path", ["x" * 300 + "/y", "a/../../../b", "a\0b", "~nobody-of-this-name/x"])
@pytest.mark.parametrize("field", ["checkpoint", "data_dir"])
def test_paths_that_cannot_be_are_refused(tmp_path: Path, field: str, path: str) -> None:
    data = "folder" if field == "data_dir" else "digits"
    _refused(tmp_path / "data", r".", **{"model": "lenet5", "data": data, field: path})


def test_a_path_never_climbs_out_of_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").mkdir()
    settings = {"model": "lenet5", "data": "folder", "data_dir": "../secret"}
    with pytest.raises(WorkloadError, match=r"one sub-folder of images a class, but got \.\./secret\.$"):
        load_workload(WorkloadSettings.model_validate(settings), home=tmp_path, data_dir=tmp_path / "data")
