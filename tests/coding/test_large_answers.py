"""Wrong answers that are numbers, and so large that rounding would leave nothing of the others."""

from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import DistrustingCode, KrigingCode, NerccCode, node_set
from nercc_tune.coding.distrust import tamed
from nercc_tune.records import Distrust, DistrustKind, Kernel

NODES = node_set("uniform", queries=4, workers=30)
CODES: dict[str, NerccCode | KrigingCode] = {
    "spline": NerccCode(NODES, lambda_enc=0.0, lambda_dec=1e-6),
    "kriging": KrigingCode(NODES, lambda_enc=0.0, kernel=Kernel(range=2.0, nugget=1e-3, temperature=1.0)),
}
QUERIES = torch.tensor([[0.1, 1.0], [0.3, 0.7], [0.8, 0.5], [1.0, 0.2]], dtype=torch.float64)
LEVELS: dict[DistrustKind, float] = {"residuals": 4.0, "huber": 3.0, "tukey": 4.0, "polynomial": 2, "rational": 2}


def _answers(inner: NerccCode | KrigingCode) -> torch.Tensor:
    noise = torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return inner.encode(QUERIES) + 1e-4 * noise


@pytest.mark.parametrize("size", [1e4, 1e30, 1e300])
@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("name", CODES)
def test_a_wrong_answer_of_any_size_is_found_and_leaves_no_trace(name: str, kind: DistrustKind, size: float) -> None:
    code = DistrustingCode(CODES[name], Distrust(kind=kind, level=LEVELS[kind], most=3))
    answers = _answers(CODES[name])
    answers[7], answers[20] = 1e3, -1e3
    expected, suspects = code.decode(answers, range(30), return_suspects=True)
    answers[7], answers[20] = size, -size
    estimates, found = code.decode(answers, range(30), return_suspects=True)
    assert found == suspects == (7, 20)
    # The weights of `huber` and `tukey` are 1e-6 at least, of which the size of an answer shows.
    torch.testing.assert_close(estimates, expected, atol=1e-3 if kind in ("huber", "tukey") else 1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["residuals", "huber", "tukey"])
@pytest.mark.parametrize("name", CODES)
def test_answers_that_nobody_doubts_are_all_believed(name: str, kind: DistrustKind) -> None:
    inner = CODES[name]
    code = DistrustingCode(inner, Distrust(kind=kind, level=4.0, most=3, scale=1e6))
    answers = _answers(inner)
    estimates, suspects = code.decode(answers, range(30), return_suspects=True)
    assert suspects == ()
    torch.testing.assert_close(estimates, inner.decode(answers, range(30)), atol=1e-9, rtol=0)


def test_answers_of_any_usual_size_are_left_as_they_are() -> None:
    answers = torch.rand(2, 3, 9, 4, dtype=torch.float64) + 0.01
    answers[0, 0, 0] *= 100
    assert tamed(answers, most=1, unusable=torch.zeros(2, 3, 9, dtype=torch.bool)) is answers


def test_what_is_too_large_keeps_its_direction_in_its_own_group() -> None:
    answers = torch.ones(1, 2, 5, 2, dtype=torch.float64)
    answers[0, 1, 3] = torch.tensor([3e30, -1.5e30])
    answers[0, 1, 4] = 7e9  # not looked at
    unusable = torch.zeros(1, 2, 5, dtype=torch.bool)
    unusable[0, 1, 4] = True
    found = tamed(answers, most=1, unusable=unusable)
    assert torch.equal(found[0, 0], answers[0, 0])
    assert found[0, 1, 3].tolist() == [1000.0, -500.0]
    assert torch.equal(found[0, 1, :3], answers[0, 1, :3])


@pytest.mark.parametrize("count", [1, 4])
def test_a_median_of_more_sub_samples_than_answers_has_one_of_each(count: int) -> None:
    code = DistrustingCode(CODES["spline"], Distrust(kind="median", level=5, most=2))
    answers = torch.arange(count, dtype=torch.float64)[:, None]
    expected = answers.median(0).values.expand(code.queries, 1)
    assert torch.allclose(code.decode(answers, range(count)), expected)


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_answers_give_finite_estimates(name: str, kind: DistrustKind, count: int) -> None:
    code = DistrustingCode(CODES[name], Distrust(kind=kind, level=LEVELS[kind], most=3))
    assert code.decode(_answers(CODES[name])[:count], range(count)).isfinite().all()


def test_estimates_that_are_not_finite_are_refused() -> None:
    code = DistrustingCode(CODES["spline"], Distrust(kind="residuals", level=4.0, most=1))
    answers = torch.tensor([[-6e4], [6e4]], dtype=torch.float16)
    with pytest.raises(
        ValueError, match=r"estimates must be finite in torch.float16, .* tuned for no more than 1 wrong"
    ):
        code.decode(answers, [10, 12])  # from which the ends are extrapolated
