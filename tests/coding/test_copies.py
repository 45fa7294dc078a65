"""Copies of one coded query that outvote each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import AnswerReader, DistrustingCode, KrigingCode, RationalCode, node_set
from nercc_tune.coding.copies import outvoted, votes_of
from nercc_tune.records import Distrust, Kernel
from tests.served import typical_of

RANK = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 2, 2, 3]])  # four copies, three, two, and one
COPIES = Distrust(kind="copies", level=2.0, most=3, scale=1e-4)  # that are nearer than 0.02 agree
Q, N = 5, 20
CODE = KrigingCode(node_set("copies-4", queries=Q, workers=N), lambda_enc=0.0, kernel=Kernel(range=0.0))


def _right() -> Tensor:
    queries = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return queries[RANK][:, None]


def _who(answers: Tensor, *unusable: int, limit: float = 1e-2) -> list[int]:
    without = torch.zeros(1, 1, 10, dtype=torch.bool)
    without[..., list(unusable)] = True
    votes = votes_of(RANK, answers, limit=limit, unusable=without)
    return outvoted(RANK, votes)[0, 0].nonzero()[:, 0].tolist()


def test_copies_that_agree_outvote_nobody() -> None:
    assert _who(_right()) == []


@pytest.mark.parametrize("lie", [0.5, -3.0, 1e200])
@pytest.mark.parametrize("liar", range(7))
def test_the_one_of_three_or_four_that_says_something_else_is_outvoted(liar: int, lie: float) -> None:
    answers = _right()
    answers[..., liar, :] += lie
    assert _who(answers) == [liar]


@pytest.mark.parametrize("liar", [7, 8, 9])
def test_of_two_nobody_can_tell_and_one_alone_has_no_rival(liar: int) -> None:
    answers = _right()
    answers[..., liar, :] = 50.0
    assert _who(answers) == []


def test_as_many_who_agree_on_a_lie_are_no_fewer_but_liars_who_do_not_agree_are() -> None:
    answers = _right()
    answers[..., 0, :] = answers[..., 2, :] = 9.0
    assert _who(answers) == []
    answers[..., 0, :] = 7.0
    assert _who(answers) == [0, 2]


def test_what_is_unusable_has_no_vote_and_is_not_named() -> None:
    answers = _right()
    answers[..., 5, :] += 1.0
    assert _who(answers, 5) == []
    assert _who(answers, 4) == []  # one says this, and one that
    answers[..., 0, :] = 9.0
    assert _who(answers, 3, 4) == [0]


def test_copies_that_are_near_agree() -> None:
    answers = _right()
    answers[..., 1, 0] += 0.05
    assert _who(answers, limit=0.051**2) == []
    assert _who(answers, limit=0.049**2) == [1]


def test_masks_and_groups_are_each_their_own() -> None:
    rank = torch.cat([RANK, torch.tensor([[0, 1, 1, 1, 2, 3, 3, 4, 5, 6]])])
    generator = torch.Generator().manual_seed(1)
    answers = torch.randn(3, 7, 2, dtype=torch.float64, generator=generator)[:, rank].transpose(0, 1).contiguous()
    unusable = torch.rand(2, 3, 10, generator=generator) < 0.2
    answers[torch.rand(2, 3, 10, generator=generator) < 0.3] += 1.0
    found = outvoted(rank, votes_of(rank, answers, limit=1e-6, unusable=unusable))
    assert 0 < int(found.sum()) < 20
    for mask in range(2):
        for group in range(3):
            own = (slice(mask, mask + 1), slice(group, group + 1))
            alone = votes_of(rank[own[0]], answers[own], limit=1e-6, unusable=unusable[own])
            assert torch.equal(outvoted(rank[own[0]], alone), found[own])


def test_a_code_of_copies_finds_the_sign_flip_of_one_of_four_and_reads_the_others() -> None:
    queries = torch.randn(Q, 4, generator=torch.Generator().manual_seed(2)).softmax(-1)
    code, answers = DistrustingCode(CODE, COPIES), CODE.encode(queries)
    for liar in range(N):
        spoilt = answers.clone()
        spoilt[liar] *= -1
        estimates, suspects = code.decode(spoilt, range(N), return_suspects=True)
        assert suspects == (liar,)
        torch.testing.assert_close(estimates, queries, atol=1e-5, rtol=0)


def test_without_a_majority_answers_are_read_as_by_a_code_that_trusts_them() -> None:
    arrived = [0, 1, *range(4, N)]
    queries = torch.randn(Q, 4, generator=torch.Generator().manual_seed(3))
    answers = CODE.encode(queries)[arrived]
    answers[0] += 3.0
    estimates, suspects = DistrustingCode(CODE, COPIES).decode(answers, arrived, return_suspects=True)
    assert suspects == ()
    torch.testing.assert_close(estimates, CODE.decode(answers, arrived), atol=1e-6, rtol=0)


def test_at_nodes_that_are_all_distinct_nobody_is_outvoted() -> None:
    nodes = node_set("uniform", queries=3, workers=9)
    reader = AnswerReader(KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(range=1.0)), torch.arange(9)[None])
    answers = torch.randn(1, 2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    none = torch.zeros(1, 2, 9, dtype=torch.bool)
    estimates, suspects = reader.read(answers, unusable=none, distrust=COPIES)
    assert not suspects.any()
    assert torch.equal(estimates, reader.read(answers, unusable=none)[0])


def test_what_looks_like_no_right_answer_goes_unless_a_copy_agrees_with_it() -> None:
    """Of two copies of which nobody can tell which is wrong, what they look like decides; of two that agree nothing."""
    typical, odd = typical_of(), torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    queries = torch.eye(3, dtype=torch.float64)[torch.arange(Q) % 3]
    queries[1] = odd  # a right one that looks like none
    arrived = torch.tensor([0, 1, *range(4, N)])
    answers = CODE.encode(queries)[arrived]
    answers[0] = -answers[0]
    none = torch.zeros(1, 1, len(arrived), dtype=torch.bool)
    reader = AnswerReader(CODE, arrived[None], typical)
    distrust = replace(COPIES, typical=9.0)
    estimates, suspects = reader.read(answers[None, None], unusable=none, distrust=distrust)
    assert suspects[0, 0].nonzero()[:, 0].tolist() == [0]
    torch.testing.assert_close(estimates[0, 0], queries, atol=1e-5, rtol=0)
    alone = torch.tensor([0, 1, 4, *range(8, N)])
    single = AnswerReader(CODE, alone[None], typical)
    of_these = CODE.encode(queries)[alone][None, None]
    _, suspects = single.read(of_these, unusable=none[..., : len(alone)], distrust=distrust)
    assert suspects[0, 0].nonzero()[:, 0].tolist() == [2]


def test_copies_vote_for_a_rational_decoder_too() -> None:
    code = RationalCode(CODE.nodes, lambda_enc=0.0, degree=0)
    queries = torch.randn(Q, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    answers = code.encode(queries)
    answers[6] *= -1
    estimates, suspects = DistrustingCode(code, COPIES).decode(answers, range(N), return_suspects=True)
    assert suspects == (6,)
    kept = [worker for worker in range(N) if worker != 6]
    torch.testing.assert_close(estimates, code.decode(answers[kept], kept))
