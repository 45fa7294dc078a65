"""What an engine keeps of a group."""

from __future__ import annotations

import pytest
import torch

from nercc_tune.errors import NoAnswerError, ServiceError
from nercc_tune.service.kept_group import KeptGroup
from tests.service.doubles import Altered, distinct, exact


def _kept(codec: Altered) -> KeptGroup:
    return KeptGroup(codec.on(torch.stack(distinct(3))), [7, 8, 8], tasks=7)


def test_answers_are_read_again_when_there_are_more() -> None:
    codec = Altered(exact()[1])
    group = _kept(codec)
    for task in range(5):
        group.take(task, group.coded(task).roll(task // 4), worker=task)
    first = group.estimates((0, 1, 2))
    assert group.estimates((0, 1, 2)) is first
    assert group.has_read((0, 1, 2))
    assert not group.has_read((0, 1, 2, 4))
    assert not torch.allclose(group.estimates((0, 1, 2, 4)).probabilities, first.probabilities)
    assert codec.reads == 2
    assert group.arrived == 5


def test_a_code_that_fails_is_not_asked_again() -> None:
    codec = Altered(exact()[1], fails="read", at=float(distinct(3)[0][0]))
    group = _kept(codec)
    group.take(0, group.coded(0), worker=0)
    for _ in range(2):
        with pytest.raises(NoAnswerError, match="the workers' answers cannot be read: no code"):
            group.estimates((0,))
    assert codec.reads == 1


def test_padding_and_what_waits() -> None:
    group = _kept(Altered(exact()[1]))
    assert group.is_padded
    assert group.unanswered == {7, 8}
    with pytest.raises(ServiceError, match="the code has 7 tasks, and the scheme 6"):
        KeptGroup(exact()[1].on(torch.stack(distinct(3))), [1, 2, 3], tasks=6)
