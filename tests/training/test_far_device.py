"""Trainings on a device whose tensors do not mix with those of the CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from nercc_tune.records import Training
from nercc_tune.training.fitting import Fitting
from tests.far_device import FAR, far_device
from tests.training.tasks import ALL, fitting, task


def _in_full(_fitting: Fitting) -> AbstractContextManager[None]:
    """Stand for autocast, which knows real devices alone, and is off in these trainings."""
    return nullcontext()


@pytest.mark.parametrize("training", [training for training in ALL if training.precision == "fp32"])
def test_an_epoch_is_that_of_the_cpu(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    near = fitting(training)
    near.run_epoch()
    monkeypatch.setattr(Fitting, "_precision", _in_full)
    with far_device():
        far = fitting(training, task(device=FAR))
        far.run_epoch()
        assert {value.device for value in far.best.values()} == {FAR}
        best = {name: value.cpu() for name, value in far.best.items()}
    assert far.epochs == near.epochs
    for name, value in near.best.items():
        assert torch.equal(best[name], value)
