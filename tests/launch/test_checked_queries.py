"""What a launch finds out about its queries before it writes anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.home import Home
from nercc_tune.inference import split_queries
from nercc_tune.launch.pipeline import LaunchEvents, launch
from nercc_tune.straggling import Part
from nercc_tune.workloads import Workload
from nercc_tune.workloads.folder import open_folder
from nercc_tune.workloads.preprocessing import PlainPixels
from nercc_tune.workloads.queries import ImageQueries
from tests.fakes import loader, tiny_spec

_SPEC = tiny_spec("search.trials=1")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder of images with one more than the study takes."""
    folder = tmp_path / "images"
    for index in range(_SPEC.queries_needed + 1):
        (folder / str(index % 4)).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / str(index % 4) / f"{index}.png")
    (folder / ".ipynb_checkpoints").mkdir()
    return folder


def _workload(folder: Path) -> Workload:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval().requires_grad_(False)
    return Workload(
        model_name="tiny",
        data_name="folder",
        model=model,
        data=ImageQueries(images=open_folder(folder), preprocessing=PlainPixels()),
        query_shape=(1, 8, 8),
        outputs=4,
        fingerprint="tiny",
        weights_source="random",
    )


@pytest.fixture
def _folder(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(_workload(images)))


def _one_of(folder: Path, part: Part) -> Path:
    split = split_queries(_SPEC, _SPEC.queries_needed + 1)
    return Path(open_folder(folder).tell(split.of(part)[-1][-1]))


@pytest.mark.usefixtures("_folder")
@pytest.mark.parametrize("part", ["tuning", "validation", "heldout"])
def test_a_broken_image_of_any_part_is_named_before_anything_is_written(
    tmp_path: Path, images: Path, part: Part
) -> None:
    file = _one_of(images, part)
    file.write_bytes(file.read_bytes()[:60])
    home = Home(tmp_path / "home")
    stages: list[str] = []
    with pytest.raises(WorkloadError, match=rf"{file.name}` must be an image, but cannot be decoded"):
        launch(_SPEC, home, events=LaunchEvents(stage=stages.append))
    assert "searching" not in stages
    assert not home.root.exists()


@pytest.mark.usefixtures("_folder")
def test_an_image_of_another_size_is_found_in_time(tmp_path: Path, images: Path) -> None:
    file = _one_of(images, "heldout")
    Image.new("L", (9, 8)).save(file)
    with pytest.raises(WorkloadError, match=rf"must have one size, .*\(1, 8, 9\) of `.*{file.name}`"):
        launch(_SPEC, Home(tmp_path / "home"))


@pytest.mark.usefixtures("_folder")
def test_a_broken_image_that_no_part_takes_stops_nothing_and_junk_is_said(tmp_path: Path, images: Path) -> None:
    taken = set(split_queries(_SPEC, _SPEC.queries_needed + 1).indices)
    (left,) = set(range(_SPEC.queries_needed + 1)) - taken
    Path(open_folder(images).tell(left)).write_bytes(b"no image")
    notices: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        launch(_SPEC, Home(tmp_path / "home"), events=LaunchEvents(stage=_stop_at_the_model, notice=notices.append))
    assert notices[1:] == [  # the first is the loading of the tiny model
        f"of `{images}` left out, since hidden, of the system or a link back, and no class: `.ipynb_checkpoints`"
    ]


def _stop_at_the_model(stage: str) -> None:
    if stage == "running the plain queries":
        raise KeyboardInterrupt
