"""Laws of distrust: nobody is distrusted without a reason, no lie moves anything far, order and unit do not matter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nercc_tune.coding import AnswerReader, DistrustingCode, KrigingCode, NerccCode, node_set
from nercc_tune.coding.distrust import WEIGHTS
from nercc_tune.records import Distrust, DistrustKind, Kernel
from nercc_tune.splines.coinciding import ranks

K, N, OUTPUTS = 8, 40, 3
KINDS: tuple[DistrustKind, ...] = ("residuals", "huber", "tukey")
Code = NerccCode | KrigingCode


def _spline(kind: str) -> NerccCode:
    return NerccCode(node_set(kind, queries=K, workers=N), lambda_enc=0.0, lambda_dec=1e-5)


def _kriging(kind: str, *, temperature: float = 0.0) -> KrigingCode:
    kernel = Kernel(range=2.0, nugget=1e-3, temperature=temperature)
    return KrigingCode(node_set(kind, queries=K, workers=N), lambda_enc=0.0, kernel=kernel)


# Copies have a variance of 1e-6 of their own: differences of theirs are enlarged, and so is rounding.
ROUNDING = 1e-5

CODES: dict[str, Code] = {
    "spline": _spline("chebyshev"),
    "spline copies-3": _spline("copies-3"),
    "kriging": _kriging("uniform"),
    "kriging with a temperature": _kriging("chebyshev", temperature=3.0),
    "kriging copies-3": _kriging("copies-3"),
}


@pytest.fixture(params=list(CODES))
def code(request: pytest.FixtureRequest) -> Code:
    return CODES[request.param]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _honest(code: Code, *, groups: int = 1, seed: int = 0) -> Tensor:
    """Return smooth answers [G, N, c] with a little noise, which copies share but for rounding to 16 bits."""
    generator = _generator(seed)
    queries = torch.randn(groups, K, OUTPUTS, dtype=torch.float64, generator=generator).cumsum(1) / 3
    answers = code.encode(queries, dim=1).tanh()
    noise = torch.randn(2, *answers.shape, dtype=torch.float64, generator=generator)
    return answers + 1e-2 * noise[0][:, ranks(code.nodes.beta)] + 1e-4 * noise[1]


def _scale(code: Code) -> float:
    """Return the mean squared deviation of right answers."""
    answers, everybody = _honest(code, groups=4, seed=9)[None], torch.arange(N)[None]
    deviations = AnswerReader(code, everybody).deviations(answers, unusable=torch.zeros(1, 4, N, dtype=torch.bool))
    return float(deviations.mean())


SCALES = {name: _scale(code) for name, code in CODES.items()}


def _distrust(code: Code, kind: DistrustKind = "residuals", *, level: float = 4.0, most: int = 4) -> Distrust:
    (name,) = (name for name, known in CODES.items() if known is code)
    return Distrust(kind=kind, level=level, most=most, scale=SCALES[name])


def _masks(count: int, arrived: int) -> Tensor:
    return torch.stack([torch.randperm(N, generator=_generator(seed))[:arrived].sort().values for seed in range(count)])


def _all_usable(answers: Tensor) -> Tensor:
    return torch.zeros(answers.shape[:3], dtype=torch.bool)


class TestWithoutReason:
    @pytest.mark.parametrize("kind", KINDS)
    def test_nobody_is_distrusted_of_a_constant(self, code: Code, kind: DistrustKind) -> None:
        answers = torch.full((N, OUTPUTS), 3.0, dtype=torch.float64)
        for level in (1e-5, 1.0, 1e3):
            distrusting = DistrustingCode(code, Distrust(kind=kind, level=level, most=5))
            estimates, suspects = distrusting.decode(answers, range(N), return_suspects=True)
            assert suspects == ()
            torch.testing.assert_close(estimates, code.decode(answers, range(N)), rtol=1e-6, atol=1e-6)

    @settings(deadline=None, max_examples=20)
    @given(
        slope=st.floats(-10, 10),
        level=st.floats(1e-3, 1e3),
        kind=st.sampled_from(KINDS),
        name=st.sampled_from(["spline", "spline copies-3"]),
        seed=st.integers(0, 99),
    )
    def test_nobody_is_distrusted_of_a_straight_line(
        self, slope: float, level: float, kind: DistrustKind, name: str, seed: int
    ) -> None:
        """Whatever arrives."""
        code, arrived = CODES[name], torch.randperm(N, generator=_generator(seed))[: 6 + seed % 30]
        answers = 1 + slope * code.nodes.beta[arrived, None]
        distrusting = DistrustingCode(code, Distrust(kind=kind, level=level, most=5))
        estimates, suspects = distrusting.decode(answers, arrived, return_suspects=True)
        assert suspects == ()
        torch.testing.assert_close(estimates, 1 + slope * code.nodes.alpha[:, None], rtol=1e-6, atol=1e-6)

    def test_right_answers_are_hardly_ever_distrusted(self, code: Code) -> None:
        answers, masks = _honest(code, groups=5), _masks(4, 32)
        given = answers[:, masks].movedim(0, 1)
        _, suspects = AnswerReader(code, masks).read(
            given, unusable=_all_usable(given), distrust=_distrust(code, level=6.0)
        )
        assert float(suspects.double().mean()) < 0.01


class TestLies:
    @pytest.mark.parametrize("kind", [*KINDS, "median"])
    def test_a_lie_has_a_bounded_influence(self, code: Code, kind: DistrustKind) -> None:
        """One of 1e12 moves estimates no further than one of 1e3."""
        answers = _honest(code)[0]
        distrust = _distrust(code, kind, level=5.0)
        distrusting = DistrustingCode(code, distrust)
        for liar in (0, 13, N - 1):
            moved = []
            for lie in (1e3, -1e3, 1e12, -1e12, 1e30):
                spoilt = answers.clone()
                spoilt[liar] = lie
                estimates, suspects = distrusting.decode(spoilt, range(N), return_suspects=True)
                assert (liar in suspects) == (kind != "median")
                moved.append(float((estimates - distrusting.decode(answers, range(N))).abs().max()))
            trusting = answers.clone()
            trusting[liar] = 1e3
            assert max(moved[:2]) < 1.0 < float((code.decode(trusting, range(N)) - answers.mean(0)).abs().max())
            # A median may pass from one sub-sample to another.
            assert max(moved[2:]) <= (1.0 if kind == "median" else max(moved[:2]) * (1 + 1e-3) + 1e-6)

    def test_several_are_found_and_left_out(self, code: Code) -> None:
        answers, liars = _honest(code)[0], (3, 17, 18, 36)
        spoilt = answers.clone()
        spoilt[list(liars)] += 3 * torch.randn(4, OUTPUTS, dtype=torch.float64, generator=_generator(4))
        found, suspects = DistrustingCode(code, _distrust(code, level=6.0)).decode(
            spoilt, range(N), return_suspects=True
        )
        assert suspects == liars
        rest = [worker for worker in range(N) if worker not in liars]
        # Copies have a variance of 1e-6 of their own in the fit.
        torch.testing.assert_close(found, code.decode(answers[rest], rest), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("name", ["spline copies-3", "kriging copies-3"])
    def test_one_of_three_copies_is_found(self, name: str) -> None:
        code = CODES[name]
        answers = _honest(code)[0]
        for query in range(K):
            copies = (code.nodes.beta == code.nodes.alpha[query]).nonzero()[:, 0].tolist()[:3]
            for liar in copies:
                spoilt = answers.clone()
                spoilt[liar] += 2.0
                found, suspects = DistrustingCode(code, _distrust(code, level=6.0)).decode(
                    spoilt, range(N), return_suspects=True
                )
                assert suspects == (liar,)
                rest = [worker for worker in range(N) if worker != liar]
                torch.testing.assert_close(found, code.decode(answers[rest], rest), rtol=1e-4, atol=1e-4)

    def test_no_more_than_so_many_are_distrusted(self, code: Code) -> None:
        answers = 10 * torch.randn(1, 1, N, OUTPUTS, dtype=torch.float64, generator=_generator(6))
        reader = AnswerReader(code, torch.arange(N)[None])
        for most in (0, 1, 3, 7):
            distrust = _distrust(code, level=1e-3, most=most)
            _, suspects = reader.read(answers, unusable=_all_usable(answers), distrust=distrust)
            assert int(suspects.sum()) == most


class TestInvariance:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_order_of_arrival_is_no_matter(self, code: Code, kind: DistrustKind) -> None:
        answers = _honest(code)[0]
        answers[[5, 20]] += 2.0
        distrusting = DistrustingCode(code, _distrust(code, kind))
        arrived = torch.randperm(N, generator=_generator(1))[:33]
        ascending = arrived.sort().values
        expected = distrusting.decode(answers[ascending], ascending, return_suspects=True)
        found = distrusting.decode(answers[arrived], arrived, return_suspects=True)
        assert torch.equal(found[0], expected[0])
        assert found[1] == expected[1]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("factor", [2.0**-30, 1e4])
    def test_the_unit_of_answers_is_no_matter(self, code: Code, kind: DistrustKind, factor: float) -> None:
        answers = _honest(code)[0]
        answers[[5, 20]] += 2.0
        plain = _distrust(code, kind)
        scaled = Distrust(kind=kind, level=plain.level, most=plain.most, scale=plain.scale * factor**2)
        expected = DistrustingCode(code, plain).decode(answers, range(N), return_suspects=True)
        found = DistrustingCode(code, scaled).decode(factor * answers, range(N), return_suspects=True)
        torch.testing.assert_close(found[0], factor * expected[0], rtol=1e-6, atol=1e-8 * factor)
        assert found[1] == expected[1]

    @pytest.mark.parametrize("kind", [*KINDS, "median"])
    def test_a_batch_equals_one_by_one(self, code: Code, kind: DistrustKind) -> None:
        masks = _masks(3, 31)
        answers = _honest(code, groups=4)[:, masks].movedim(0, 1).contiguous()
        generator = _generator(3)
        # From no lie to five, and from no unusable answer to eleven.
        place = torch.rand(answers.shape[:3], generator=generator).argsort(-1)
        count = torch.arange(12).reshape(3, 4, 1)
        lies = 2 * torch.randn(answers.shape, dtype=torch.float64, generator=generator)
        answers += lies * (place < count % 6)[..., None]
        unusable = place >= 31 - count
        distrust = _distrust(code, kind, level=5.0, most=6)
        found = AnswerReader(code, masks).read(answers, unusable=unusable, distrust=distrust)
        for mask in range(3):
            for group in range(4):
                own = (slice(mask, mask + 1), slice(group, group + 1))
                single = AnswerReader(code, masks[mask : mask + 1]).read(
                    answers[own], unusable=unusable[own], distrust=distrust
                )
                torch.testing.assert_close(found[0][own], single[0], rtol=ROUNDING, atol=ROUNDING)
                assert torch.equal(found[1][own], single[1])

    @pytest.mark.parametrize("kind", [*KINDS, "median"])
    def test_what_is_unusable_is_as_if_it_had_not_arrived(self, code: Code, kind: DistrustKind) -> None:
        answers = _honest(code)[0]
        answers[[5, 20]] += 2.0
        unusable = torch.zeros(1, 1, N, dtype=torch.bool)
        unusable[..., [2, 5, 30]] = True
        rest = (~unusable[0, 0]).nonzero()[:, 0]
        distrust = _distrust(code, kind, level=5.0)
        expected, suspects = DistrustingCode(code, distrust).decode(answers[rest], rest, return_suspects=True)
        for value in (0.0, 1e9):
            read = answers.masked_fill(unusable[0, 0, :, None], value)[None, None]
            found = AnswerReader(code, torch.arange(N)[None]).read(read, unusable=unusable, distrust=distrust)
            torch.testing.assert_close(found[0][0, 0], expected, rtol=1e-4, atol=1e-4)
            assert found[1][0, 0].nonzero()[:, 0].tolist() == sorted([*suspects, 2, 5, 30])


class TestTrail:
    def test_later_stops_distrust_fewer(self, code: Code) -> None:
        answers, reader = self._spoilt(code)
        trail = reader.doubt(answers, unusable=_all_usable(answers), distrust=_distrust(code)).trail()
        steps = len(trail.order)
        before = torch.ones_like(_all_usable(answers))
        for step in range(steps + 1):
            suspects = trail.suspects(torch.full(answers.shape[:2], step))
            assert bool((suspects <= before).all())
            before = suspects
        assert not bool(before.any())

    def test_estimates_are_those_of_all_but_the_suspects(self, code: Code) -> None:
        answers, reader = self._spoilt(code)
        unusable = _all_usable(answers)
        unusable[0, 1, 4] = True
        trail = reader.doubt(answers, unusable=unusable, distrust=_distrust(code)).trail()
        for step in (0, 3, len(trail.order)):
            stop = torch.full(answers.shape[:2], step)
            stop[1] = max(step - 2, 0)
            expected, _ = reader.read(answers, unusable=trail.suspects(stop))
            for found in (trail.at(stop), trail.only_at(stop)):
                torch.testing.assert_close(found, expected, rtol=ROUNDING, atol=ROUNDING)
        assert torch.equal(trail.estimates[3], trail.at(torch.full(answers.shape[:2], 3)))

    def test_it_stops_before_the_first_that_deviates_too_much(self, code: Code) -> None:
        answers, reader = self._spoilt(code)
        trail = reader.doubt(answers, unusable=_all_usable(answers), distrust=_distrust(code)).trail()
        steps = len(trail.order)
        for limit in (0.0, float(trail.least.median()), float(trail.least.max())):
            stop = trail.stop(limit, most=N)
            for mask, group in ((0, 0), (1, 2)):
                at = int(stop[mask, group])
                assert bool((trail.least[:at, mask, group] <= limit).all())
                assert at == steps or float(trail.least[at, mask, group]) > limit
            assert torch.equal(trail.stop(limit, most=2), stop.clamp(min=steps - 2))
        assert bool((trail.stop(float(trail.least.max()), most=N) == steps).all())

    @staticmethod
    def _spoilt(code: Code) -> tuple[Tensor, AnswerReader]:
        masks = _masks(2, 32)
        answers = _honest(code, groups=3)[:, masks].movedim(0, 1).contiguous()
        answers[:, :, [4, 11]] += 2.0
        return answers, AnswerReader(code, masks)


class TestWeights:
    @pytest.mark.parametrize("kind", list(WEIGHTS))
    def test_a_huge_limit_trusts_all(self, code: Code, kind: str) -> None:
        answers, reader = TestTrail._spoilt(code)
        doubt = reader.doubt(answers, unusable=_all_usable(answers), distrust=_distrust(code))
        estimates, suspects = doubt.reweigh(1e20, WEIGHTS[kind])
        expected, _ = reader.read(answers, unusable=_all_usable(answers))
        torch.testing.assert_close(estimates, expected, rtol=1e-6, atol=1e-6)
        assert not bool(suspects.any())

    def test_with_a_small_limit_tukey_leaves_out_what_is_set_aside(self, code: Code) -> None:
        answers, reader = TestTrail._spoilt(code)
        doubt = reader.doubt(answers, unusable=_all_usable(answers), distrust=_distrust(code))
        estimates, suspects = doubt.reweigh(1e-12, WEIGHTS["tukey"])
        none_believed = torch.zeros(answers.shape[:2], dtype=torch.int64)
        trail = doubt.trail()
        assert torch.equal(suspects, trail.suspects(none_believed + (~trail.apart.is_aside).sum(-1)))
        torch.testing.assert_close(estimates, reader.read(answers, unusable=suspects)[0], rtol=1e-6, atol=1e-6)

    def test_huber_falls_with_the_distance_and_tukey_ends(self) -> None:
        share = torch.tensor([0.0, 0.5, 1.0, 2.0, 1e12], dtype=torch.float64)
        assert WEIGHTS["huber"](share).tolist() == [1, 1, 1, 0.5, 1e-12]
        assert WEIGHTS["tukey"](share).tolist() == [1, 0.5625, 0, 0, 0]

    def test_a_doubted_answer_is_read_with_further_noise(self) -> None:
        """Where it is the only one: of weight w its own part of the difference is w."""
        code = CODES["spline"]
        answers, reader = _honest(code)[None], AnswerReader(code, torch.arange(N)[None])
        answers[..., 7, :] += 1.0
        unusable = _all_usable(answers)
        deviations = reader.deviations(answers, unusable=unusable)
        worst = deviations == deviations.max()
        least = float(deviations[~worst].max())
        doubt = reader.doubt(
            answers, unusable=unusable, distrust=Distrust(kind="huber", level=1.0, most=1, scale=least)
        )
        without, trusting = (reader.read(answers, unusable=out)[0] for out in (worst, unusable))
        found, _ = doubt.reweigh(float(deviations.max()) / 9, WEIGHTS["huber"])
        assert int(doubt.trail().apart.is_aside.sum()) == 1
        torch.testing.assert_close(found, without + (trusting - without) / 3, rtol=1e-6, atol=1e-6)
