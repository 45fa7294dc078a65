"""Trainings on a GPU against those of the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nercc_tune.inference.decoders import TrainedDecoder
from nercc_tune.records import Training
from nercc_tune.training.checkpoint import pack_checkpoint, restore_checkpoint
from tests.training.tasks import ALL, LEARNED, OUTPUTS, PARITY, fitting, task, trained

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

CUDA = torch.device("cuda")
# float32 sums in another order, over a few steps, which Adam magnifies where a gradient is near 0.
_TOLERANCE = 1e-3


@pytest.mark.parametrize("training", ALL)
def test_an_epoch_is_that_of_the_cpu(training: Training) -> None:
    near, far = fitting(training), fitting(training, task(device=CUDA))
    for one in (near, far):
        one.run_epoch()
    assert {value.device.type for value in far.best.values()} == {"cuda"}
    assert far.epochs[0].loss == pytest.approx(near.epochs[0].loss, rel=_TOLERANCE)
    assert far.epochs[0].agreement == pytest.approx(near.epochs[0].agreement, abs=0.1)


@pytest.mark.parametrize("training", [PARITY, LEARNED])
def test_a_training_is_taken_up_on_the_gpu(training: Training) -> None:
    begun, resumed = (fitting(training, task(device=CUDA)) for _ in range(2))
    begun.run_epoch()
    assert restore_checkpoint(resumed, pack_checkpoint(begun))
    for one in (begun, resumed):
        one.run_epoch()
    assert resumed.epochs[1].loss == pytest.approx(begun.epochs[1].loss, rel=_TOLERANCE)


@pytest.mark.parametrize("training", [PARITY, LEARNED])
def test_what_was_trained_is_served_by_the_cpu_and_scored_on_the_gpu(training: Training) -> None:
    code = trained(training, task(device=CUDA)).finished()
    assert {value.device.type for network in code.modules().values() for value in network.parameters()} == {"cpu"}
    batches = [torch.tensor([[0, 2], [1, 2]])]
    answers = torch.randn(5, 3, OUTPUTS, generator=torch.Generator().manual_seed(0))
    near, far = (
        torch.cat(list(TrainedDecoder(code, batches).prepare(answers.to(device)).estimates(0.0)))
        for device in (torch.device("cpu"), CUDA)
    )
    assert far.device.type == "cuda"
    torch.testing.assert_close(far.cpu(), near, rtol=1e-4, atol=1e-4)


def test_mixed_precision_trains_weights_in_float32() -> None:
    found = fitting(replace(PARITY, precision="bf16"), task(device=CUDA))
    found.run_epoch()
    full = fitting(PARITY, task(device=CUDA))
    full.run_epoch()
    assert {value.dtype for value in found.best.values()} == {torch.float32}
    # bfloat16 has eight bits: 0.4 % a factor.
    assert found.epochs[0].loss == pytest.approx(full.epochs[0].loss, rel=0.05)
