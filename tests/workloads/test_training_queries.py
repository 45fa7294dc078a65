from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.workloads import TrainingQueries, Workload, keeping_queries, load_training_queries, load_workload
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.datasets import DATASETS, state_preprocessing
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.preprocessing import FixedSize, PlainPixels, Preprocessing
from nercc_tune.workloads.queries import ArrayQueries, ImageQueries
from tests.fakes import tiny_workload

_PREPARE = FixedSize(channels=3, size=8, mean=(0.5,) * 3, std=(0.25,) * 3)


def _load(
    workload: Workload,
    folder: Path,
    *,
    data: str = "cifar10",
    unused: Sequence[int] = (),
    told: list[str] | None = None,
) -> TrainingQueries:
    settings = WorkloadSettings(model="any", data=data)
    notify = (told if told is not None else []).append
    return load_training_queries(settings, workload, data_dir=folder, unused=unused, notify=notify)


def _write_images(folder: Path, *, shade: int, side: int = 8, labels: Sequence[int] = (0, 1, 2)) -> None:
    """Write a square a class, each a little brighter than the one before."""
    for label in labels:
        (folder / str(label)).mkdir(parents=True)
        Image.new("RGB", (side, side), (shade + label,) * 3).save(folder / str(label) / "0.png")


def _serve(folder: Path, *, data: str = "cifar10", preprocessing: Preprocessing = _PREPARE) -> Workload:
    """Serve the images of `folder`, of which a model tells three classes."""
    request = DataRequest(data_dir=folder, is_training=False, notify=lambda _: None)
    images = DATASETS[data].open(request)
    assert isinstance(images, ImageSet)
    return Workload(
        model_name="tiny",
        data_name=data,
        model=nn.Identity(),
        data=ImageQueries(images=images, preprocessing=preprocessing),
        query_shape=(3, 8, 8),
        outputs=3,
        fingerprint="tiny",
        weights_source="random",
    )


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    _write_images(tmp_path / "test", shade=10)
    _write_images(tmp_path / "train", shade=100)
    return tmp_path


def test_digits_are_trained_with_as_they_are_served(tmp_path: Path) -> None:
    settings = WorkloadSettings(model="lenet5", data="digits", random_weights=True)
    workload = load_workload(settings, home=tmp_path, data_dir=tmp_path)
    training = load_training_queries(settings, workload, data_dir=tmp_path, unused=(), notify=lambda _: None)
    assert training.queries.shape == (997, *workload.query_shape)
    assert (training.queries.dtype, training.labels.dtype) == (torch.float32, torch.int64)
    assert len(training) == training.available == 997
    images = DATASETS["digits"].open(DataRequest(data_dir=tmp_path, is_training=True, notify=lambda _: None))
    assert isinstance(images, ImageSet)
    prepare = state_preprocessing(DATASETS["digits"], MODELS["lenet5"])
    for index in (0, 400, 996):
        assert torch.equal(training.queries[index], prepare(images.open(index)))
    assert torch.equal(training.labels, images.labels)
    served = {query.numpy().tobytes() for query in workload.data.load(range(800))[0]}
    assert not served & {query.numpy().tobytes() for query in training.queries}


def test_the_training_split_is_taken_whatever_of_the_served_one_is_unused(cifar: Path) -> None:
    training = _load(_serve(cifar), cifar, unused=[2])
    shades = (torch.tensor([100, 101, 102]) / 255 - 0.5) / 0.25
    assert torch.allclose(training.queries, shades[:, None, None, None].expand(3, 3, 8, 8))
    assert training.labels.tolist() == [0, 1, 2]


def test_the_data_folder_of_the_settings_holds_the_training_split_too(cifar: Path) -> None:
    settings = WorkloadSettings(model="any", data="cifar10", data_dir=cifar.name)
    training = load_training_queries(settings, _serve(cifar), data_dir=cifar.parent, unused=(), notify=lambda _: None)
    assert len(training) == 3


def test_what_studies_share_is_trained_with_as_well(cifar: Path) -> None:
    workload = _serve(cifar)
    assert _load(keeping_queries(workload), cifar).identity == _load(workload, cifar).identity


def test_data_of_the_user_are_trained_with_where_no_part_of_the_study_takes_them(tmp_path: Path) -> None:
    _write_images(tmp_path, shade=10)
    workload = _serve(tmp_path, data="folder")
    training = _load(keeping_queries(workload), tmp_path, data="folder", unused=[2, 0])
    expected, labels = workload.data.load([2, 0])
    assert torch.equal(training.queries, expected)
    assert torch.equal(training.labels, labels)
    assert training.available == 2


@pytest.mark.parametrize("data", ["npz", "digits"])
def test_arrays_are_trained_with_as_they_are_whatever_the_settings_name(tmp_path: Path, data: str) -> None:
    workload = tiny_workload()
    training = _load(workload, tmp_path, data=data, unused=range(5, 10))
    assert torch.equal(training.queries, workload.data.load(range(5, 10))[0])
    assert torch.equal(training.labels, workload.data.labels[5:10])


def test_arrays_of_bytes_are_prepared(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, images=np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8), labels=np.arange(3))
    training = _load(_serve(path, data="npz"), path, data="npz", unused=[1])
    assert training.queries.shape == (1, 3, 8, 8)
    assert training.queries[0, 0, 0, 0] == pytest.approx((64 / 255 - 0.5) / 0.25)


@pytest.mark.parametrize("data", ["folder", "npz"])
def test_nothing_to_train_with_is_refused(tmp_path: Path, data: str) -> None:
    workload = replace(tiny_workload(), data_name=data)
    with pytest.raises(
        WorkloadError,
        match=rf"^a trained code needs .*, but `{data}` has no training split and the study takes all \d+ queries; add",
    ):
        _load(workload, tmp_path, data=data)


def test_unused_queries_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^`indices` must be one or more numbers of queries, 0 to \d+, but got -1\.$"):
        _load(tiny_workload(), tmp_path, data="npz", unused=[-1])


def test_a_training_split_that_is_not_there_is_named(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = _serve(cifar)
    (cifar / "train").rename(cifar / "elsewhere")
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there, so no download can begin
    told: list[str] = []
    with pytest.raises(
        DataMissingError, match=r"^the data set `cifar10` is expected at .*, is not there and cannot be "
    ):
        _load(workload, cifar, told=told)
    assert told == [f"downloading cifar10 to {cifar}"]


def test_what_is_served_is_no_training_split(cifar: Path) -> None:
    workload = _serve(cifar)
    (cifar / "train").rename(cifar / "elsewhere")
    (cifar / "train").symlink_to(cifar / "test")
    with pytest.raises(
        WorkloadError,
        match=r"^the training split of `cifar10` must not be what is served, but holds the same images; put",
    ):
        _load(workload, cifar)


def test_training_images_of_another_size_are_refused_where_no_preprocessing_mends_it(tmp_path: Path) -> None:
    _write_images(tmp_path / "test", shade=10)
    _write_images(tmp_path / "train", shade=100, side=9)
    with pytest.raises(
        WorkloadError,
        match=r"^the training queries of `cifar10` must have the shape \(3, 8, 8\) .*got \(3, 9, 9\); resi",
    ):
        _load(_serve(tmp_path, preprocessing=PlainPixels()), tmp_path)
    assert _load(_serve(tmp_path), tmp_path).queries.shape == (3, 3, 8, 8)


def test_labels_must_be_those_of_the_model(tmp_path: Path) -> None:
    _write_images(tmp_path / "test", shade=10)
    _write_images(tmp_path / "train", shade=100, labels=(0, 3))
    with pytest.raises(
        WorkloadError,
        match=r"^the training queries of `cifar10` must have labels below the 3 outputs of `tiny`, but got 3",
    ):
        _load(_serve(tmp_path), tmp_path)


def test_a_broken_training_image_is_named(cifar: Path) -> None:
    (cifar / "train" / "1" / "0.png").write_bytes(b"no image")
    with pytest.raises(WorkloadError, match=r"^`.*/train/1/0\.png` must be an image, but cannot be decoded"):
        _load(_serve(cifar), cifar)


def test_of_many_queries_as_many_as_fit_are_taken_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = tiny_workload()
    size = workload.query_shape[0] * 4
    monkeypatch.setattr("nercc_tune.workloads.training_queries._MOST_BYTES", 4 * size)
    told: list[str] = []
    training = _load(workload, tmp_path, data="npz", unused=range(10), told=told)
    assert torch.equal(training.queries, workload.data.load([0, 2, 5, 7])[0])
    assert (len(training), training.available) == (4, 10)
    assert told == ["4 of 10 training queries are taken, for no more fit into memory"]


def test_chunks_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = tiny_workload()
    whole = _load(workload, tmp_path, data="npz", unused=range(10))
    monkeypatch.setattr("nercc_tune.workloads.training_queries._CHUNK", 4)
    parts = _load(workload, tmp_path, data="npz", unused=range(10))
    assert torch.equal(parts.queries, whole.queries)
    assert torch.equal(parts.labels, whole.labels)
    assert parts.identity == whole.identity


def test_the_identity_tells_queries_and_preprocessings_apart(tmp_path: Path, cifar: Path) -> None:
    vectors = tiny_workload()
    assert isinstance(vectors.data, ArrayQueries)
    relabelled = replace(vectors, data=replace(vectors.data, labels=vectors.data.labels.flip(0)))
    darker = replace(_PREPARE, mean=(0.6,) * 3)
    found = [
        _load(vectors, tmp_path, data="npz", unused=[1, 2]).identity,
        _load(vectors, tmp_path, data="npz", unused=[1, 3]).identity,
        _load(relabelled, tmp_path, data="npz", unused=[1, 2]).identity,
        _load(_serve(cifar), cifar).identity,
        _load(_serve(cifar, preprocessing=darker), cifar).identity,
    ]
    assert len(set(found)) == len(found)
    assert _load(_serve(cifar), cifar).identity == found[3]
