"""Laws of what decoders expect of answers, and of leaving answers out: all against decoders made anew."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import AnswerReader, KrigingCode, NerccCode, NodeSet, Sites, node_set
from nercc_tune.coding.elimination import Elimination
from nercc_tune.coding.fit import spline_fit
from nercc_tune.records import Kernel
from nercc_tune.splines import smoothing_matrix

K, N, F, OUTPUTS = 6, 24, 18, 3
MASKS, GROUPS = 2, 3
KERNEL = Kernel(range=1.5, nugget=1e-2)
WARM = Kernel(range=1.0, nugget=1e-2, temperature=3.0)
SPLINES = [("chebyshev", 1e-4), ("uniform", 1e-2), ("systematic", 1e3), ("copies-2", 1e-3)]
KRIGING = [(kind, kernel) for kind in ("chebyshev", "uniform", "systematic") for kernel in (KERNEL, WARM)]
COPIES = [(kind, kernel) for kind in ("copies-2", "copies-3") for kernel in (KERNEL, WARM)]
# Of kriging with copies, each of which has a variance of 1e-6 of its own, and of a spline smoothed by 1e-6 of a gap's.
JITTERED = 1e-4
# An answer to a query itself has a variance of 1e-6 that the output has not: a temperature sees it when it is left out.
PLAIN = 1e-5


def _spline(kind: str, smoothing: float) -> NerccCode:
    return NerccCode(node_set(kind, queries=K, workers=N), lambda_enc=0.0, lambda_dec=smoothing)


def _kriging(kind: str, kernel: Kernel) -> KrigingCode:
    return KrigingCode(node_set(kind, queries=K, workers=N), lambda_enc=0.0, kernel=kernel)


CODES: dict[str, tuple[NerccCode | KrigingCode, float]] = {
    **{f"spline {kind} {smoothing:g}": (_spline(kind, smoothing), 1e-9) for kind, smoothing in SPLINES},
    **{
        f"kriging {kind} {kernel.label}": (_kriging(kind, kernel), PLAIN if kind == "systematic" else 1e-9)
        for kind, kernel in KRIGING
    },
    **{f"kriging {kind} {kernel.label}": (_kriging(kind, kernel), JITTERED) for kind, kernel in COPIES},
    "interpolating spline": (_spline("uniform", 0.0), JITTERED),
}


@pytest.fixture(params=list(CODES))
def case(request: pytest.FixtureRequest) -> tuple[NerccCode | KrigingCode, float]:
    return CODES[request.param]


def _arrived() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randperm(N, generator=generator)[:F].sort().values for _ in range(MASKS)])


def _answers(code: NerccCode | KrigingCode) -> Tensor:
    """Return answers [M, G, F, c] as a network might give them: copies differ by little."""
    generator = torch.Generator().manual_seed(1)
    queries = torch.randn(GROUPS, K, OUTPUTS, dtype=torch.float64, generator=generator)
    answers = code.encode(queries, dim=1).tanh()[:, _arrived()].movedim(0, 1)
    return answers + 1e-3 * torch.randn(answers.shape, dtype=torch.float64, generator=generator)


def _some(most: int) -> Tensor:
    """Return which answers to leave out [M, G, F], other ones and other numbers for each mask and group."""
    place = torch.rand(MASKS, GROUPS, F, generator=torch.Generator().manual_seed(2)).argsort(-1)
    return place < torch.arange(most - MASKS * GROUPS + 1, most + 1).reshape(MASKS, GROUPS, 1)


def _anew(code: NerccCode | KrigingCode, answers: Tensor, is_out: Tensor) -> Tensor:
    """Return what the decoders of the answers that are left make of them."""
    estimates = torch.empty(MASKS, GROUPS, K, OUTPUTS, dtype=torch.float64)
    for mask, arrived in enumerate(_arrived()):
        for group in range(GROUPS):
            left = ~is_out[mask, group]
            estimates[mask, group] = code.decoder_matrix(arrived[left]) @ answers[mask, group, left]
    return estimates


def _assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


class TestLeavingOut:
    def test_the_rest_is_read_by_its_own_decoder(self, case: tuple[NerccCode | KrigingCode, float]) -> None:
        code, tolerance = case
        answers, is_out = _answers(code), _some(9)
        left = Elimination(code.fit(_arrived()), answers)
        _assert_close(left.estimates, _anew(code, answers, torch.zeros_like(is_out)), tolerance)
        left.leave_out_all(is_out)
        assert torch.equal(left.left_out, is_out)
        _assert_close(left.estimates, _anew(code, answers, is_out), tolerance)

    def test_in_one_go_or_one_after_the_other(self, case: tuple[NerccCode | KrigingCode, float]) -> None:
        code, tolerance = case
        answers, fit = _answers(code), code.fit(_arrived())
        order = torch.rand(MASKS, GROUPS, F, generator=torch.Generator().manual_seed(3)).argsort(-1)[..., :7]
        is_out = torch.zeros(MASKS, GROUPS, F, dtype=torch.bool).scatter(-1, order, value=True)
        together, single = Elimination(fit, answers), Elimination(fit, answers)
        together.leave_out(order)
        for at in range(7):
            single.leave_out(order[..., at : at + 1])
        for left in (together, single):
            assert torch.equal(left.left_out, is_out)
            _assert_close(left.estimates, _anew(code, answers, is_out), tolerance)
        _assert_close(single.deviations, together.deviations, 1e-6)

    def test_only_where_it_is_asked_for(self, case: tuple[NerccCode | KrigingCode, float]) -> None:
        code, tolerance = case
        answers = _answers(code)
        left = Elimination(code.fit(_arrived()), answers)
        which = torch.rand(MASKS, GROUPS, F, generator=torch.Generator().manual_seed(4)).argsort(-1)[..., :5]
        where = torch.rand(MASKS, GROUPS, 5, generator=torch.Generator().manual_seed(5)) < 0.5
        is_out = torch.zeros(MASKS, GROUPS, F, dtype=torch.bool).scatter(-1, which, where)
        left.leave_out(which[..., :2], where=where[..., :2])
        left.leave_out(which[..., 2:], where=where[..., 2:])
        assert torch.equal(left.left_out, is_out)
        _assert_close(left.estimates, _anew(code, answers, is_out), tolerance)

    def test_what_was_left_out_has_no_influence_however_large(
        self, case: tuple[NerccCode | KrigingCode, float]
    ) -> None:
        code, _ = case
        answers, is_out = _answers(code), _some(6)
        found = []
        for lie in (1.0, 1e30):
            left = Elimination(code.fit(_arrived()), torch.where(is_out[..., None], lie, answers))
            left.leave_out_all(is_out)
            found.append((left.estimates, left.deviations))
        _assert_close(found[1][0], found[0][0], 1e-9)
        _assert_close(found[1][1], found[0][1], 1e-6)

    def test_uncertainty_is_that_of_the_rest(self) -> None:
        """A temperature divides by it: what is left out makes logits smaller."""
        code, is_out = _kriging("chebyshev", WARM), _some(9)
        answers = torch.ones(MASKS, GROUPS, F, 1, dtype=torch.float64)
        left = Elimination(code.fit(_arrived()), answers)
        before = left.estimates
        left.leave_out_all(is_out)
        assert bool((left.estimates < before).all())
        assert bool((before < 1).all())


class TestDeviations:
    @pytest.mark.parametrize(("kind", "smoothing"), SPLINES)
    def test_of_splines_from_all_others(self, kind: str, smoothing: float) -> None:
        """The spline of all others at that node. By 1 / (1 − H) its variance is larger than that of the noise, λ."""
        code = _spline(kind, smoothing)
        answers, arrived = _answers(code), _arrived()
        beta = code.nodes.beta
        typical = float(beta.diff()[beta.diff() > 0].median()) ** 3 / 12
        expected = torch.empty(MASKS, GROUPS, F, dtype=torch.float64)
        for mask, workers in enumerate(arrived):
            nodes = beta[workers]
            leverage = smoothing_matrix(nodes, nodes, smoothing).diagonal()
            for i in range(F):
                rest = torch.arange(F) != i
                read = smoothing_matrix(nodes[rest], nodes[i : i + 1], smoothing) @ answers[mask][:, rest]
                squares = (answers[mask][:, i] - read[:, 0]).square().sum(-1)
                expected[mask, :, i] = squares * (1 - leverage[i]) * typical / smoothing
        found = AnswerReader(code, arrived).deviations(answers, unusable=torch.zeros(MASKS, GROUPS, F).bool())
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9 * float(expected.max()))

    @pytest.mark.parametrize(("kind", "kernel"), KRIGING + COPIES)
    def test_of_kriging_from_all_others(self, kind: str, kernel: Kernel) -> None:
        """Prediction and its variance by the bordered equations, each answer with a noise of its own."""
        code = _kriging(kind, kernel)
        answers, arrived = _answers(code), _arrived()
        expected = torch.empty(MASKS, GROUPS, F, dtype=torch.float64)
        for mask, workers in enumerate(arrived):
            system = _system(code.nodes, kernel, workers)
            for i in range(F):
                rest = torch.arange(F) != i
                read, variance = _ordinary(system, rest, i)
                distance = answers[mask][:, i] - torch.einsum("f,gfc->gc", read, answers[mask][:, rest])
                expected[mask, :, i] = distance.square().sum(-1) / variance
        found = AnswerReader(code, arrived).deviations(answers, unusable=torch.zeros(MASKS, GROUPS, F).bool())
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9 * float(expected.max()))

    def test_what_is_unusable_is_not_looked_at(self, case: tuple[NerccCode | KrigingCode, float]) -> None:
        code, tolerance = case
        answers, unusable = _answers(code), _some(9)
        found = AnswerReader(code, _arrived()).deviations(answers, unusable=unusable)
        assert bool((found[unusable] == -1).all())
        for mask, arrived in enumerate(_arrived()):
            for group in range(GROUPS):
                rest = ~unusable[mask, group]
                anew = AnswerReader(code, arrived[rest][None]).deviations(
                    answers[mask : mask + 1, group : group + 1, rest],
                    unusable=torch.zeros(1, 1, int(rest.sum())).bool(),
                )
                _assert_close(found[mask, group, rest], anew[0, 0], max(tolerance, 1e-8))

    def test_of_whom_nobody_else_says_anything_nothing_is_expected(self) -> None:
        """Two answers to a spline: any two lie on a straight line."""
        code, unusable = _spline("uniform", 1e-3), torch.ones(1, 1, F, dtype=torch.bool)
        unusable[..., [3, 11]] = False
        found = AnswerReader(code, _arrived()[:1]).deviations(_answers(code)[:1, :1], unusable=unusable)
        assert float(found[~unusable].abs().max()) < 1e-9  # rounding

    @pytest.mark.parametrize("stretch", [1e-2, 7.0])
    def test_splines_do_not_care_for_the_unit_of_the_nodes(self, stretch: float) -> None:
        nodes, arrived = node_set("chebyshev", queries=K, workers=N), _arrived()
        plain = spline_fit(nodes.alpha, nodes.beta, arrived, 1e-4)
        stretched = spline_fit(stretch * nodes.alpha, stretch * nodes.beta, arrived, 1e-4 * stretch**3)
        for name in ("precision", "decoder"):
            found, expected = getattr(stretched, name), getattr(plain, name)
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8 * float(expected.abs().max()))


def _system(nodes: NodeSet, kernel: Kernel, workers: Tensor) -> Tensor:
    """Return the second moments of the answers of workers, those at one node being alike but for a little noise."""
    sites = Sites.of(nodes)
    at = sites.answers[sites.rank[workers]]
    scaled = 3**0.5 * (at[:, None] - at).abs() / kernel.range
    is_noisy = (at[:, None] != sites.queries).all(-1)
    noise = kernel.nugget * is_noisy + 1e-6
    is_same = at[:, None] == at
    own = torch.diag((is_same.sum(-1) > 1) * 1e-6 * _mean_variance(nodes, kernel))
    return (1 + scaled) * (-scaled).exp() + is_same * noise[:, None] + own


def _mean_variance(nodes: NodeSet, kernel: Kernel) -> float:
    sites = Sites.of(nodes)
    is_noisy = (sites.answers[:, None] != sites.queries).all(-1).double()
    return float((1 + 1e-6 + kernel.nugget * is_noisy).mean())


def _ordinary(system: Tensor, rest: Tensor, at: int) -> tuple[Tensor, float]:
    """Return the weights of the others' answers in the best prediction of one, and the prediction's variance."""
    one = torch.ones(1, dtype=torch.float64)
    bordered = torch.zeros(int(rest.sum()) + 1, int(rest.sum()) + 1, dtype=torch.float64)
    bordered[:-1, :-1], bordered[:-1, -1], bordered[-1, :-1] = system[rest][:, rest], 1.0, 1.0
    weights = torch.linalg.solve(bordered, torch.cat([system[rest, at], one]))
    left = system[at, at] - weights[:-1] @ system[rest, at] - weights[-1]
    return weights[:-1], float(left)
