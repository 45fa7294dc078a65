"""What is read of answers by medians of sub-samples and by locators, and by decoders that believe all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import AnswerReader, BerrutCode, KrigingCode, NerccCode, node_set
from nercc_tune.records import Distrust, DistrustKind, Kernel

K, N, F = 4, 30, 24
CODE = NerccCode(node_set("chebyshev", queries=K, workers=N), lambda_enc=0.0, lambda_dec=1e-4)
COPIES = KrigingCode(node_set("copies-2", queries=K, workers=N), lambda_enc=0.0, kernel=Kernel(range=1.0))
MASKS = torch.stack(
    [torch.randperm(N, generator=torch.Generator().manual_seed(seed))[:F].sort().values for seed in (0, 1)]
)


def _random(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _unusable(*, groups: int = 3) -> Tensor:
    """Return none, three and five of each group's answers, of which those of groups 1 and 2 are others."""
    place = torch.rand(2, groups, F, generator=torch.Generator().manual_seed(3)).argsort(-1)
    return place < torch.tensor([0, 3, 5])[:groups, None]


class TestBelieving:
    def test_all_are_read_by_the_decoder(self) -> None:
        for code in (CODE, COPIES):
            answers = _random(2, 3, F, 5)
            estimates, suspects = AnswerReader(code, MASKS).read(answers, unusable=torch.zeros(2, 3, F).bool())
            expected = code.decoder_matrix(MASKS)[:, None] @ answers
            torch.testing.assert_close(estimates, expected, rtol=1e-12, atol=1e-12)
            assert not bool(suspects.any())

    def test_what_is_unusable_is_left_out_and_named(self) -> None:
        answers, unusable = _random(2, 3, F, 5), _unusable()
        estimates, suspects = AnswerReader(CODE, MASKS).read(answers, unusable=unusable)
        assert torch.equal(suspects, unusable)
        for mask in range(2):
            for group in range(3):
                left = ~unusable[mask, group]
                expected = CODE.decoder_matrix(MASKS[mask, left]) @ answers[mask, group, left]
                torch.testing.assert_close(estimates[mask, group], expected, rtol=1e-9, atol=1e-9)


class TestMedian:
    def test_it_is_that_of_every_so_many_th_answer(self) -> None:
        answers, unusable = _random(2, 3, F, 5), _unusable()
        distrust = Distrust(kind="median", level=3, most=1)
        estimates, suspects = AnswerReader(CODE, MASKS).read(answers, unusable=unusable, distrust=distrust)
        assert torch.equal(suspects, unusable)
        for mask in range(2):
            for group in range(3):
                usable = (~unusable[mask, group]).nonzero()[:, 0]
                parts = [usable[part::3] for part in range(3)]
                read = [CODE.decoder_matrix(MASKS[mask, part]) @ answers[mask, group, part] for part in parts]
                expected = torch.stack(read).median(0).values
                torch.testing.assert_close(estimates[mask, group], expected, rtol=1e-12, atol=1e-12)

    def test_lies_in_fewer_than_half_of_the_sub_samples_move_it_no_further_than_these_differ(self) -> None:
        answers = CODE.encode(_random(K, 5))[MASKS][:, None]
        answers[:, :, 5::5] += 1e9 * _random(2, 1, len(range(5, F, 5)), 5)
        estimates, _ = AnswerReader(CODE, MASKS).read(
            answers, unusable=torch.zeros(2, 1, F).bool(), distrust=Distrust(kind="median", level=5, most=5)
        )
        assert float(estimates.abs().max()) < 10

    def test_of_one_sub_sample_it_believes_all(self) -> None:
        answers, none = _random(2, 3, F, 5), torch.zeros(2, 3, F).bool()
        reader = AnswerReader(CODE, MASKS)
        found, _ = reader.read(answers, unusable=none, distrust=Distrust(kind="median", level=1, most=0))
        torch.testing.assert_close(found, reader.read(answers, unusable=none)[0], rtol=1e-12, atol=1e-12)

    def test_there_are_no_more_sub_samples_than_answers(self) -> None:
        answers, none = _random(1, 1, F, 5), torch.zeros(1, 1, F).bool()
        estimates, _ = AnswerReader(CODE, MASKS[:1]).read(
            answers, unusable=none, distrust=Distrust(kind="median", level=2 * F, most=0)
        )
        expected = answers.median(2, keepdim=True).values.expand(-1, -1, K, -1)
        torch.testing.assert_close(estimates, expected, rtol=1e-12, atol=1e-12)


class TestLocators:
    @pytest.mark.parametrize("kind", ["polynomial", "rational"])
    def test_lies_are_found_and_left_out(self, kind: DistrustKind) -> None:
        queries, unusable = _random(3, K, 5), _unusable()
        basis = (CODE.nodes.beta.acos()[:, None] * torch.arange(K)).cos()
        encoder = basis if kind == "polynomial" else BerrutCode(CODE.nodes).encoder_matrix
        answers = (encoder @ queries)[:, MASKS].movedim(0, 1).contiguous()
        is_wrong = ~unusable & (torch.rand(2, 3, F, generator=torch.Generator().manual_seed(4)) < 0.1)
        spoilt = answers + 5 * is_wrong[..., None] + 1e9 * unusable[..., None]
        assert 1 <= int(is_wrong.sum(-1).max()) <= 5
        for mask in range(2):
            for group in range(3):
                own = (slice(mask, mask + 1), slice(group, group + 1))
                count = max(int(is_wrong[own].sum()), 1)
                distrust = Distrust(kind=kind, level=count, most=count)
                estimates, suspects = AnswerReader(CODE, MASKS[own[0]]).read(
                    spoilt[own], unusable=unusable[own], distrust=distrust
                )
                assert torch.equal(suspects, is_wrong[own] | unusable[own])
                left = ~suspects[0, 0]
                expected = CODE.decoder_matrix(MASKS[mask, left]) @ answers[mask, group, left]
                torch.testing.assert_close(estimates[0, 0], expected, rtol=1e-9, atol=1e-9)

    def test_a_batch_equals_one_by_one(self) -> None:
        """What is unusable in one group is no matter of another."""
        answers, unusable, distrust = _random(2, 3, F, 5), _unusable(), Distrust(kind="polynomial", level=3, most=3)
        estimates, suspects = AnswerReader(CODE, MASKS).read(answers, unusable=unusable, distrust=distrust)
        assert bool(((suspects & ~unusable).sum(-1) == 3).all())
        for mask in range(2):
            for group in range(3):
                own = (slice(mask, mask + 1), slice(group, group + 1))
                single = AnswerReader(CODE, MASKS[own[0]]).read(answers[own], unusable=unusable[own], distrust=distrust)
                torch.testing.assert_close(estimates[own], single[0], rtol=1e-9, atol=1e-9)
                assert torch.equal(suspects[own], single[1])

    def test_of_too_few_answers_none_is_accused(self) -> None:
        """F ≥ 2 (K + e) − 1 is not met for any e."""
        few, answers = MASKS[:, :8], _random(2, 3, 8, 5)
        distrust = Distrust(kind="polynomial", level=3, most=3)
        _, suspects = AnswerReader(CODE, few).read(answers, unusable=torch.zeros(2, 3, 8).bool(), distrust=distrust)
        assert not bool(suspects.any())

    def test_copies_are_refused(self) -> None:
        reader, none = AnswerReader(COPIES, torch.arange(N)[None]), torch.zeros(1, 1, N).bool()
        with pytest.raises(ValueError, match="`nodes` must differ, but some coincide"):
            reader.read(_random(1, 1, N, 5), unusable=none, distrust=Distrust(kind="polynomial", level=2, most=2))
