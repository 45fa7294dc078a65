"""What cannot be trained is one line that says how to mend it, and exit code 2, before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nercc_tune.workloads import load_workload
from tests.program import assert_one_line, run_program

STUDY = """
name = "tiny"
[workload]
model = "lenet5"
data = "digits"
device = "cpu"
[code]
kind = "parity"
queries = 2
workers = 3
stragglers = [1]
[search]
trials = 2
[training]
epochs = [1]
validation = 30
[evaluation]
tuning_groups = 3
tuning_masks = 2
validation_groups = 2
validation_masks = 2
heldout_groups = 2
heldout_masks = 2
bootstrap = 100
"""

_BAD = {
    "no parity worker": (
        ["code.workers=2"],
        "tiny.toml: in `code`: `workers > queries` must hold for kind = 'parity', or there is no parity worker",
    ),
    "a mixer for fewer queries": (
        ["code.queries=5", "code.workers=6", "training.mixers=['concatenation']"],
        "in `training.mixers`, for 5 queries and 6 workers: `queries` must be 2, 3 or 4 for the mixer 'concatenation'",
    ),
    "a mixer for one parity": (
        ["code.workers=4", "training.mixers=['addition', 'packed']"],
        "in `training.mixers`, for 2 queries and 4 workers: `parities` must be 1 for the mixer 'packed', but got 2.",
    ),
    "a mixer of images": (
        ["code.kind=learned", "training.mixers=['conv']"],
        "`shape` must be (channels, height, width) for the mixer 'conv', but got (6,).",
    ),
    "too much for validation": (
        ["training.validation=400"],
        "`training.validation` of 400 leaves no group of 2 to train on of 186 training queries; lower it",
    ),
    "too few training queries": (
        ["training.queries=31"],
        "`training.validation` of 30 leaves no group of 2 to train on of 31 training queries; lower it, or give more",
    ),
    "no training queries": (
        ["evaluation.tuning_groups=96"],
        "`vectors` has no training split and the study takes all 200 queries; add queries, or take fewer groups.",
    ),
    "too few queries at all": (
        ["evaluation.tuning_groups=97"],
        "`digits` has 200 queries, but 97 tuning, 2 validation",
    ),
}


def _launch(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    Path("tiny.toml").write_text(STUDY, encoding="utf-8")
    changed = [part for override in overrides for part in ("--set", override)]
    return run_program(monkeypatch, "launch", "tiny.toml", *changed)


@pytest.mark.parametrize("case", _BAD)
def test_what_cannot_be_trained_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides, message = _BAD[case]
    assert _launch(monkeypatch, *overrides) == 2
    assert_one_line(capsys.readouterr().err, message)
    assert [path.name for path in Path().iterdir()] == ["tiny.toml"]


def test_the_counts_are_checked_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every study of a family, too: its last one must not fail after the others were launched."""
    monkeypatch.delattr("nercc_tune.launch.preparation.load_workload")
    family = ("code.workers=[3, 4]", "training.mixers=['concatenation']")
    assert _launch(monkeypatch, *family) == 2
    assert_one_line(capsys.readouterr().err, "for 2 queries and 4 workers: `parities` must be 1")
    assert [path.name for path in Path().iterdir()] == ["tiny.toml"]


def test_a_base_model_without_weights_names_the_command_that_trains_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", load_workload)
    for number in range(14):
        file = tmp_path / "data" / "cifar10" / "test" / str(number % 2) / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, dtype=np.uint8)).save(file)
    workload = f"workload={{model='resnet8', data='cifar10', data_dir='{tmp_path / 'data'}'}}"
    assert _launch(monkeypatch, workload) == 2
    assert_one_line(capsys.readouterr().err, "run `nercc-tune train resnet8-cifar10`, or give a `checkpoint` file.")
    assert sorted(path.name for path in Path().iterdir()) == ["data", "tiny.toml"]
