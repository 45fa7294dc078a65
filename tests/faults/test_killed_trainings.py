"""Studies whose trials are trainings, killed at random moments, and shared by workers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
import torch

from nercc_tune.coding import TrainedCode
from nercc_tune.records import StudyHistory, Training
from nercc_tune.serving import load_table
from tests.faults.conftest import Operate
from tests.faults.operation import Operation, finished
from tests.faults.tracked import Tracked
from tests.faults.zero_cost import CLASSES, Lazy

_TRIALS = 8  # and the published training
_EPOCHS = 12
_PARITIES = 2
_KILLS = 10
_TRAININGS = (
    "code.kind=parity",
    "code.queries=2",
    f"code.workers={2 + _PARITIES}",
    "code.stragglers=[1, 2]",
    f"training.epochs=[{_EPOCHS}]",
    "training.validation=40",
    "training.batches=[8, 32]",
)

pytestmark = pytest.mark.slow


def _wait_for_an_epoch(study: Operation, launch: subprocess.Popen[str], *, timeout_s: float = 120) -> None:
    """Wait until a launch trains."""
    before, latest = _begun(study), time.monotonic() + timeout_s
    while _begun(study) == before:
        assert launch.poll() is None, launch.communicate()[0]
        assert time.monotonic() < latest, "it took too long"
        time.sleep(0.02)


def _begun(study: Operation) -> int:
    """Return how many epochs were begun, each of which trains all parity networks."""
    return len(_trainers(study)) // _PARITIES


def _trainers(study: Operation) -> list[str]:
    return study.epochs.read_text(encoding="utf-8").split() if study.epochs.exists() else []


def _kept(study: Operation) -> dict[str, bytes]:
    """Return all that was trained, by the names that say how; a file that was never whole is hidden."""
    root = study.home.networks
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("[!.]*") if path.is_file()}


def _trainings(history: StudyHistory) -> list[list[Training | None]]:
    return [[trial.design.training for trial in cell.trials] for cell in history.cells]


def _served(study: Operation) -> TrainedCode:
    code = load_table(study.home.table("faulty"), model=Lazy()).policy()
    assert isinstance(code, TrainedCode)
    return code


def test_trainings_killed_again_and_again_end_as_undisturbed_ones(operate: Operate) -> None:
    """No kill costs more than the epoch that it interrupts, and every network is the same to the last bit."""
    calm = operate("calm", trials=_TRIALS, queries=300, overrides=_TRAININGS)
    study = operate(trials=_TRIALS, seconds=0.02, queries=300, overrides=_TRAININGS)
    chance = random.Random(0)  # noqa: S311 - moments
    undisturbed = calm.launch()
    for _ in range(_KILLS):
        launch = study.launch()
        _wait_for_an_epoch(study, launch)
        time.sleep(chance.uniform(0, 1.5))
        assert launch.poll() is None, "the launch ended before it was killed"
        os.killpg(launch.pid, signal.SIGKILL)
        launch.wait()
    finished(study.launch())
    finished(undisturbed)
    history, expected = study.check(), calm.check()
    assert _begun(calm) == calm.budget * _EPOCHS
    assert calm.budget * _EPOCHS <= _begun(study) <= calm.budget * _EPOCHS + _KILLS
    assert _trainings(history) == _trainings(expected)
    assert _kept(study) == _kept(calm)
    assert len(_kept(study)) == study.budget
    served, reference = _served(study), _served(calm)
    assert served.digest == reference.digest
    answers = torch.randn(2, CLASSES, generator=torch.Generator().manual_seed(0))
    for arrived in ([0, 3], [2, 3]):
        assert torch.equal(served.decode(answers, arrived), reference.decode(answers, arrived))
    study.run("sync", "faulty")
    Tracked.of(study.home.tracking_url).check(history)


def test_two_workers_make_no_training_twice(operate: Operate) -> None:
    study = operate(trials=_TRIALS, seconds=0.02, queries=300, overrides=_TRAININGS)
    finished(study.launch(workers=2))
    study.check()
    assert _begun(study) == study.budget * _EPOCHS
    assert len(set(_trainers(study))) == 2
    assert len(_kept(study)) == study.budget
    assert _served(study).digest in load_table(study.home.table("faulty")).table.networks
