"""Laws of what right answers look like, and of codes that look at it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import AnswerReader, NerccCode, Typical, measure_typical, node_set
from nercc_tune.records import Distrust

OUTPUTS = 5
# The ridge bears on the third digit of a distance, and float64 keeps some ten.
EXACT = 1e-8


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _answers(count: int = 400, *, outputs: int = OUTPUTS, seed: int = 0, noise: float = 0.1) -> Tensor:
    """Return answers [count, c] of which each has one output that is far larger, and noise that is not alike in all."""
    classes = torch.arange(count) % outputs
    mixed = torch.randn(outputs, outputs, dtype=torch.float64, generator=_generator(100))
    own = torch.randn(count, outputs, dtype=torch.float64, generator=_generator(seed)) @ mixed
    return 3 * torch.eye(outputs, dtype=torch.float64)[classes] + noise * own


def _measured(answers: Tensor) -> Typical:
    found = measure_typical(answers)
    assert found is not None
    return found


def test_distances_are_those_from_the_nearest_class() -> None:
    answers = _answers()
    found = _measured(answers)
    given = torch.randn(7, 4, OUTPUTS, dtype=torch.float64, generator=_generator(3))
    apart = given[..., None, :] - found.means
    expected = torch.einsum("...ki,ij,...kj->...k", apart, found.precision, apart).amin(-1)
    torch.testing.assert_close(found.deviations(given), expected, rtol=EXACT, atol=EXACT)


def test_the_mean_of_a_class_is_typical_and_what_was_measured_is_as_far_as_there_are_outputs() -> None:
    answers = _answers()
    found = _measured(answers)
    assert found.means.shape == (OUTPUTS, OUTPUTS)
    for at, mean in enumerate(found.means):
        torch.testing.assert_close(mean, answers[at::OUTPUTS].mean(0))
    assert float(found.deviations(found.means).amax()) < 1e-8
    # The squares sum to the trace of the covariance by its inverse; the ridge takes a little of it.
    mean = float(found.deviations(answers).mean())
    assert 0.95 * OUTPUTS < mean <= OUTPUTS


def test_distances_do_not_change_when_all_is_shifted_by_the_same_in_all_outputs() -> None:
    """Which leaves the largest output where it is."""
    answers, given = _answers(), _answers(9, seed=5, noise=1.0)
    shifted = _measured(answers + 7.0)
    torch.testing.assert_close(shifted.means, _measured(answers).means + 7.0)
    found = shifted.deviations(given + 7.0)
    torch.testing.assert_close(found, _measured(answers).deviations(given), rtol=EXACT, atol=EXACT)


def test_distances_do_not_change_when_outputs_change_places() -> None:
    answers, given = _answers(), _answers(9, seed=5, noise=1.0)
    places = torch.randperm(OUTPUTS, generator=_generator(4))
    found = _measured(answers[:, places]).deviations(given[:, places])
    torch.testing.assert_close(found, _measured(answers).deviations(given), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("scale", [1e-6, 1e3])
def test_distances_have_no_unit(scale: float) -> None:
    answers, given = _answers(), _answers(9, seed=5, noise=1.0)
    found = _measured(scale * answers).deviations(scale * given)
    torch.testing.assert_close(found, _measured(answers).deviations(given), rtol=EXACT, atol=EXACT)


def test_distances_do_not_change_when_answers_and_typical_are_turned_and_moved_together() -> None:
    typical, given = _measured(_answers()), _answers(9, seed=5, noise=1.0)
    turn = torch.linalg.qr(torch.randn(OUTPUTS, OUTPUTS, dtype=torch.float64, generator=_generator(6))).Q
    move = torch.randn(OUTPUTS, dtype=torch.float64, generator=_generator(7))
    turned = Typical(means=typical.means @ turn.mT + move, precision=turn @ typical.precision @ turn.mT)
    found = turned.deviations(given @ turn.mT + move)
    torch.testing.assert_close(found, typical.deviations(given), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("is_probability", [True, False])
def test_lies_are_far_and_what_another_query_would_have_got_is_not(is_probability: bool) -> None:
    generator = _generator(8)
    raw = [4 * _answers(400, seed=seed) for seed in (0, 5)]
    measured, others = (each.softmax(-1) for each in raw) if is_probability else raw
    typical = _measured(measured)
    farthest = float(typical.deviations(others).amax())
    noise = 10 * torch.randn(others.shape, dtype=torch.float64, generator=generator)
    for lies in (-others, others + noise, torch.full_like(others, 50.0)):
        # Ten times noise may by chance lie near to a class, but seldom.
        assert float(typical.deviations(lies).quantile(0.02)) > farthest
    assert float(typical.deviations(-others).amin()) > 5 * farthest


def test_what_one_worker_says_does_not_depend_on_the_others() -> None:
    typical, given = _measured(_answers()), _answers(6, seed=5, noise=1.0).reshape(2, 3, OUTPUTS)
    each = torch.tensor([[float(typical.deviations(answer)) for answer in group] for group in given])
    torch.testing.assert_close(typical.deviations(given).float(), each)


def test_the_digest_is_that_of_rounded_values() -> None:
    typical = _measured(_answers())
    rounded = typical.rounded()
    assert typical.digest == rounded.digest == rounded.rounded().digest
    assert not torch.equal(typical.precision, rounded.precision)
    for value in (rounded.means, rounded.precision):
        assert value.dtype == torch.float64
        assert torch.equal(value, value.float().double())
    given = _answers(9, seed=5, noise=1.0)
    torch.testing.assert_close(rounded.deviations(given), typical.deviations(given), rtol=1e-4, atol=1e-4)
    others = (
        Typical(means=typical.means * (1 + 1e-6), precision=typical.precision),
        Typical(means=typical.means, precision=typical.precision * (1 + 1e-6)),
        Typical(means=typical.means.flip(0), precision=typical.precision),
    )
    assert len({other.digest for other in (typical, *others)}) == 4


@pytest.mark.parametrize(
    ("count", "outputs", "is_measured"),
    [(100, 5, True), (99, 5, False), (2000, 100, True), (2020, 101, False), (40, 2, True)],
)
def test_too_few_answers_or_too_many_outputs_tell_nothing(count: int, outputs: int, is_measured: bool) -> None:
    assert (measure_typical(_answers(count, outputs=outputs)) is not None) == is_measured


def test_axes_before_the_outputs_do_not_matter() -> None:
    answers = _answers()
    assert _measured(answers.reshape(20, 20, OUTPUTS)).digest == _measured(answers).digest


def test_a_class_of_too_few_answers_is_left_out() -> None:
    first = _answers()
    rare = first.clone()
    rare[2::OUTPUTS] = first[0::OUTPUTS]  # class 2 does not occur
    rare[2 : 4 * OUTPUTS : OUTPUTS] = first[2 : 4 * OUTPUTS : OUTPUTS]  # but four times
    found = _measured(rare)
    assert len(found.means) == OUTPUTS - 1
    assert float(found.deviations(first[2]).detach()) > 10 * float(found.deviations(first[0]))


@pytest.mark.parametrize(("spread", "is_measured"), [(0.0, False), (1e-19, False), (1e-16, True)])
def test_answers_that_are_all_alike_tell_nothing(spread: float, is_measured: bool) -> None:
    """And what tells something is served: float32 holds it."""
    alike = torch.zeros(50, 2, dtype=torch.float64)
    alike[::2, 0] = spread
    found = measure_typical(alike)
    assert (found is not None) == is_measured
    if found is not None:
        assert found.rounded().precision.isfinite().all()


def _reader(workers: int = 20) -> AnswerReader:
    code = NerccCode(node_set("uniform", queries=4, workers=workers), lambda_enc=0.0, lambda_dec=1e-6)
    return AnswerReader(code, torch.arange(workers)[None], _measured(_answers()))


def test_no_more_than_may_be_distrusted_are_screened_and_these_are_the_farthest() -> None:
    answers = _answers(20, seed=5)[None, None]
    answers[..., [3, 8, 13], :] *= torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64)[:, None]
    nobody = torch.zeros(1, 1, 20, dtype=torch.bool)
    for most, expected in ((0, []), (1, [13]), (2, [8, 13]), (3, [3, 8, 13]), (9, [3, 8, 13]), (99, [3, 8, 13])):
        distrust = Distrust(kind="residuals", level=1e9, most=most, typical=40.0)
        found = _reader().screened(answers, unusable=nobody, distrust=distrust)
        assert found[0, 0].nonzero()[:, 0].tolist() == expected
    unusable = nobody.clone()
    unusable[..., [0, 13]] = True
    distrust = Distrust(kind="residuals", level=1e9, most=2, typical=40.0)
    found = _reader().screened(answers, unusable=unusable, distrust=distrust)
    assert found[0, 0].nonzero()[:, 0].tolist() == [0, 3, 8, 13]


def test_a_distrust_that_looks_at_what_is_not_known_is_refused() -> None:
    code = NerccCode(node_set("uniform", queries=4, workers=20), lambda_enc=0.0, lambda_dec=1e-6)
    reader, nobody = AnswerReader(code, torch.arange(20)[None]), torch.zeros(1, 1, 20, dtype=torch.bool)
    with pytest.raises(ValueError, match="`typical` must be given for a distrust that looks at what answers look like"):
        reader.read(
            _answers(20)[None, None], unusable=nobody, distrust=Distrust(kind="tukey", level=4.0, most=2, typical=40.0)
        )
