"""Trainings that end where they should, wherever they were interrupted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nercc_tune.errors import OutputError
from nercc_tune.records import Training
from nercc_tune.training.checkpoint import pack_checkpoint, restore_checkpoint
from nercc_tune.training.fitting import Fitting, measure_reconstruction
from tests.training.tasks import ALL, PARITY, fitting, task, trained


def _equal(one: Fitting, other: Fitting) -> None:
    assert one.epochs == other.epochs
    mine, its = one.finished().modules(), other.finished().modules()
    for name, network in mine.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(value, its[name].state_dict()[key], rtol=0, atol=0)


@pytest.mark.parametrize("training", ALL)
def test_the_same_seed_gives_the_same_weights(training: Training) -> None:
    _equal(trained(training), trained(training))


@pytest.mark.parametrize("training", ALL)
@pytest.mark.parametrize("after", [1, 3])
def test_what_is_taken_up_again_ends_the_same(training: Training, after: int) -> None:
    begun, resumed = fitting(training), fitting(training)
    for _ in range(after):
        begun.run_epoch()
    assert restore_checkpoint(resumed, pack_checkpoint(begun))
    while not resumed.is_over:
        resumed.run_epoch()
    _equal(resumed, trained(training))


def test_a_damaged_checkpoint_is_not_taken_up() -> None:
    begun, other = fitting(), fitting()
    begun.run_epoch()
    content = pack_checkpoint(begun)
    assert not restore_checkpoint(other, content[:-1])
    assert not restore_checkpoint(other, content[:40] + bytes([content[40] ^ 1]) + content[41:])
    assert other.epochs == []


def test_another_seed_gives_other_weights() -> None:
    one, other = trained(), trained(replace(PARITY, seed=1))
    assert one.epochs != other.epochs


def test_a_linear_model_is_learned_from_its_mixes() -> None:
    """The parity network of a linear base model is the base model, so that training reaches it."""
    found = trained(replace(PARITY, epochs=40, schedule="constant", batch=8), task(count=224))
    assert found.epochs[-1].loss < 0.01 * found.epochs[0].loss
    assert found.epochs[-1].agreement > 0.9


def test_the_base_weights_of_a_linear_model_need_no_training() -> None:
    """`f(x1 + x2)` is `f(x1) + f(x2)` but for the bias, which is counted twice in the sum."""
    found = fitting(replace(PARITY, initialisation="base"))
    bias = found.task.base[1].bias  # type: ignore[index]
    with torch.no_grad():
        found.learner.trained["parity-1"][1].bias += bias  # type: ignore[index]
    agreement, _ = measure_reconstruction(found.task, found.learner.code())
    assert agreement == 1.0


def test_the_best_weights_are_kept() -> None:
    found = trained(replace(PARITY, epochs=6))
    agreements = [epoch.agreement for epoch in found.epochs]
    found.restore(found.best)
    assert measure_reconstruction(found.task, found.learner.code())[0] == max(agreements)


def test_a_training_without_progress_ends_early() -> None:
    found = trained(replace(PARITY, epochs=50, patience=2, learning_rate=1e-12, schedule="constant"))
    assert 3 <= len(found.epochs) < 50
    last = found.epochs[-1].agreement
    assert all(epoch.agreement == last for epoch in found.epochs)


def test_a_training_that_diverges_says_so() -> None:
    found = fitting(replace(PARITY, learning_rate=1e30))
    with pytest.raises(OutputError, match=r"the training diverged in epoch 1: its loss is .*; lower the learning rate"):
        found.run_epoch()


def test_every_loss_of_r_answers_that_concerns_a_query_is_met() -> None:
    assert task(queries=2, workers=3).losses_of_answers == [[1, 2], [0, 2]]
    several = task(queries=2, workers=4).losses_of_answers
    assert len(several) == 5
    assert [0, 1] not in several
