"""Losses of what is learned, against their formulas group by group."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nercc_tune.records import Loss, Training
from nercc_tune.training.learners import Learner
from nercc_tune.training.task import Task
from tests.training.tasks import LEARNED, PARITY, fitting, task


def _batch(of: Task) -> tuple[Tensor, Tensor, Tensor]:
    groups = torch.arange(4 * of.queries).reshape(4, of.queries)
    return of.inputs[groups], of.outputs[groups], of.labels[groups]


def _by_hand(of: Task, learner: Learner, training: Training) -> Tensor:
    """Return the mean over groups, losses of R answers, and queries that are lost in them."""
    inputs, outputs, labels = _batch(of)
    code, values = learner.code(), []
    for group, given, truth in zip(inputs, outputs, labels, strict=True):
        parities = code.parity_answers(group[None], of.base)[0]
        answers = torch.cat([given, parities])
        for arrived in of.losses_of_answers:
            estimates = code.decode(answers[arrived].detach(), arrived)
            for query in set(range(of.queries)) - set(arrived):
                if training.loss == "mse":
                    values.append(functional.mse_loss(estimates[query], given[query]))
                elif training.loss == "kl":
                    wanted = given[query].softmax(-1)
                    values.append((wanted * (wanted.log() - estimates[query].log_softmax(-1))).sum())
                else:
                    values.append(functional.cross_entropy(estimates[query][None], truth[query][None]))
    return torch.stack(values).mean()


@pytest.mark.parametrize("sizes", [(2, 3), (3, 4), (3, 5)])
@pytest.mark.parametrize("loss", ["mse", "kl", "cross-entropy"])
def test_a_learned_code_minimises_the_loss_of_what_is_lost(sizes: tuple[int, int], loss: Loss) -> None:
    of = task(queries=sizes[0], workers=sizes[1])
    training = replace(LEARNED, loss=loss)
    learner = fitting(training, of).learner
    torch.testing.assert_close(learner.loss(*_batch(of)).detach(), _by_hand(of, learner, training))


@pytest.mark.parametrize("sizes", [(2, 3), (3, 4), (3, 5)])
@pytest.mark.parametrize("loss", ["kl", "cross-entropy"])
def test_a_parity_network_minimises_the_loss_of_the_estimates(sizes: tuple[int, int], loss: Loss) -> None:
    of = task(queries=sizes[0], workers=sizes[1])
    training = replace(PARITY, loss=loss)
    learner = fitting(training, of).learner
    torch.testing.assert_close(
        learner.loss(*_batch(of)).detach(), _by_hand(of, learner, training), rtol=1e-4, atol=1e-5
    )


def test_the_published_loss_is_that_of_the_estimates_where_one_answer_is_lost() -> None:
    of = task(queries=3, workers=4)
    learner = fitting(PARITY, of).learner
    torch.testing.assert_close(learner.loss(*_batch(of)).detach(), _by_hand(of, learner, PARITY))


def test_labels_stand_for_the_mean_outputs_of_their_queries() -> None:
    of = task()
    for label in range(3):
        own = of.outputs[: of.trained_on][of.labels[: of.trained_on] == label]
        torch.testing.assert_close(of.prototypes[label], own.mean(0))
    inputs, outputs, labels = _batch(of)
    learner = fitting(replace(PARITY, target="labels"), of).learner
    parities = learner.code().parity_answers(inputs, of.base)[:, 0]
    expected = functional.mse_loss(parities, of.prototypes[labels].sum(1))
    torch.testing.assert_close(learner.loss(inputs, outputs, labels), expected)


def test_groups_are_drawn_anew_and_validation_is_left_out() -> None:
    of = task(queries=2)
    one, other = of.groups(seed=0), of.groups(seed=1)
    assert not torch.equal(one, other)
    assert torch.equal(one.flatten().sort().values, torch.arange(of.trained_on))
    assert int(of.validation_groups.min()) == of.trained_on
