from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import NerccCode, node_set
from nercc_tune.inference import MaskedMetrics, Truth, measure
from nercc_tune.inference.metrics import mean_error
from nercc_tune.records import DECODE_SPACES, DecodeSpace
from tests.inference.fakes import exactly

GROUPS, QUERIES, WORKERS, OUTPUTS, MASKS = 3, 5, 12, 4, 6


@dataclass(frozen=True)
class Case:
    logits: Tensor
    answers: Tensor
    labels: Tensor
    arrived: Tensor
    decoders: Tensor

    def truth(self, space: DecodeSpace) -> Truth:
        return Truth.of(self.logits, self.labels, decode_space=space)

    def measure(self, space: DecodeSpace) -> MaskedMetrics:
        truth = self.truth(space)
        return measure([_decode(truth.answers(self.answers), self.decoders, self.arrived)], truth)


def _decode(answers: Tensor, decoders: Tensor, arrived: Tensor) -> Tensor:
    """Return the estimates [M, G, K, c] of answers [G, N, c]."""
    return torch.einsum("mkf,gmfc->mgkc", decoders.to(answers.dtype), answers[:, arrived])


@pytest.fixture
def case() -> Case:
    generator = torch.Generator().manual_seed(0)
    code = NerccCode(node_set("chebyshev", queries=QUERIES, workers=WORKERS), lambda_enc=0.0, lambda_dec=1e-4)
    logits = 2 * torch.randn(GROUPS, QUERIES, OUTPUTS, generator=generator, dtype=torch.float64)
    arrived = exactly(3, workers=WORKERS, masks=MASKS, seed=0)
    return Case(
        logits=logits,
        answers=torch.einsum("nk,gkc->gnc", code.encoder_matrix, logits)
        + 0.5 * torch.randn(GROUPS, WORKERS, OUTPUTS, generator=generator, dtype=torch.float64),
        labels=torch.randint(OUTPUTS, (GROUPS, QUERIES), generator=generator),
        arrived=arrived,
        decoders=code.decoder_matrix(arrived),
    )


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_a_model_that_ends_in_a_softmax_gives_the_same_figures(case: Case, space: DecodeSpace) -> None:
    """Logarithms of probabilities are logits up to a shift of each answer, which the softmax after decoding removes."""
    truth = Truth.of(case.logits.softmax(-1), case.labels, decode_space=space, output_kind="probabilities")
    decoded = _decode(truth.answers(case.answers.softmax(-1)), case.decoders, case.arrived)
    found, expected = measure([decoded], truth), case.measure(space)
    for name in ("prob_mse", "accuracy", "agreement", *(["mse"] if space != "logits" else [])):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_log_probabilities_are_logits(case: Case, space: DecodeSpace) -> None:
    truth = Truth.of(case.logits.log_softmax(-1), case.labels, decode_space=space)
    decoded = _decode(truth.answers(case.answers.log_softmax(-1)), case.decoders, case.arrived)
    torch.testing.assert_close(measure([decoded], truth).prob_mse, case.measure(space).prob_mse, rtol=1e-9, atol=1e-12)


def test_a_probability_of_zero_has_a_logarithm() -> None:
    given = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    truth = Truth.of(given, torch.zeros(1, 2, dtype=torch.int64), decode_space="logits", output_kind="probabilities")
    assert truth.outputs[0, 0].tolist() == [0.0, pytest.approx(math.log(1.1754943508222875e-38))]
    assert torch.equal(truth.probabilities, given)
    assert torch.equal(truth.answers(given), truth.outputs)


def _softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def _distance(first: list[float], second: list[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


def _largest(row: list[float]) -> int:
    return max(range(len(row)), key=row.__getitem__)


def _naive(case: Case, space: DecodeSpace, group: int, mask: int) -> tuple[float, float, float, float]:
    """Return mse, prob_mse, accuracy and agreement of a group under a mask, one number at a time."""
    is_probabilities = space != "logits"
    workers = case.arrived[mask].tolist()
    rows = [case.answers[group, worker].tolist() for worker in workers]
    rows = [_softmax(row) for row in rows] if space == "probabilities" else rows
    total = np.zeros(4)
    for query in range(QUERIES):
        weights = case.decoders[mask, query].tolist()
        estimate = [
            sum(weight * row[output] for weight, row in zip(weights, rows, strict=True)) for output in range(OUTPUTS)
        ]
        estimate = _softmax(estimate) if space == "logits-softmax" else estimate
        logits = case.logits[group, query].tolist()
        probabilities = _softmax(logits)
        total += [
            _distance(estimate, probabilities if is_probabilities else logits),
            _distance(estimate if is_probabilities else _softmax(estimate), probabilities),
            _largest(estimate) == int(case.labels[group, query]),
            _largest(estimate) == _largest(logits),
        ]
    mse, prob_mse, accuracy, agreement = total / QUERIES
    return float(mse), float(prob_mse), float(accuracy), float(agreement)


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_every_metric_is_that_of_a_plain_loop(case: Case, space: DecodeSpace) -> None:
    found = case.measure(space)
    for group in range(GROUPS):
        for mask in range(MASKS):
            at = (group, mask)
            row = [float(metric[at]) for metric in (found.mse, found.prob_mse, found.accuracy, found.agreement)]
            assert row == pytest.approx(_naive(case, space, group, mask), rel=1e-10)
    # The draws tell all four apart: none is constant.
    assert all(float(metric.std()) > 0 for metric in (found.mse, found.prob_mse, found.accuracy, found.agreement))


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_masks_may_come_a_few_at_a_time(case: Case, space: DecodeSpace) -> None:
    together, truth = case.measure(space), case.truth(space)
    decoded = _decode(truth.answers(case.answers), case.decoders, case.arrived)
    for sizes in ((1,) * MASKS, (2, 4), (5, 1)):
        apart = measure(iter(decoded.split(sizes)), truth)
        assert torch.equal(apart.mse, together.mse)
        assert torch.equal(apart.prob_mse, together.prob_mse)
        assert torch.equal(apart.accuracy, together.accuracy)
        assert torch.equal(apart.agreement, together.agreement)


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_a_part_of_the_truth_measures_a_part_of_the_groups(case: Case, space: DecodeSpace) -> None:
    truth = case.truth(space)
    decoded = _decode(truth.answers(case.answers), case.decoders, case.arrived)
    found = measure([decoded[:, 1:]], truth.part(slice(1, None)))
    assert torch.equal(found.mse, case.measure(space).mse[1:])
    assert torch.equal(found.uncoded_accuracy, truth.accuracy[1:])


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_float32_answers_give_the_same_to_six_digits(case: Case, space: DecodeSpace) -> None:
    truth = Truth.of(case.logits.float(), case.labels, decode_space=space)
    found = measure([_decode(truth.answers(case.answers.float()), case.decoders, case.arrived)], truth)
    assert found.mse.dtype == torch.float64
    torch.testing.assert_close(found.mse, case.measure(space).mse, rtol=2e-5, atol=0)


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_perfect_estimates_have_no_distance_and_full_agreement(case: Case, space: DecodeSpace) -> None:
    truth = case.truth(space)
    found = measure([truth.answers(case.logits).expand(2, -1, -1, -1)], truth)
    score = found.score()
    assert (score.mse, score.prob_mse, score.agreement) == (0, 0, 1)
    assert score.rel_acc == 1
    assert score.accuracy == pytest.approx(float((case.logits.argmax(-1) == case.labels).double().mean()))


@pytest.mark.parametrize("space", DECODE_SPACES)
@pytest.mark.parametrize("error", ["mse", "prob_mse"])
def test_one_error_alone_is_that_among_all(case: Case, space: DecodeSpace, error: Literal["mse", "prob_mse"]) -> None:
    truth = case.truth(space)
    read = [truth.answers(case.answers + shift) for shift in (0.0, 0.3)]
    decoded = [_decode(answers, case.decoders, case.arrived) for answers in read]
    expected = float(getattr(measure(decoded, truth), error).mean())
    assert mean_error(decoded, truth, error) == pytest.approx(expected, rel=1e-6)


def test_the_score_summarises_groups_and_masks() -> None:
    mse = torch.tensor([[0.0, 4.0, 2.0], [2.0, 8.0, 0.0]], dtype=torch.float64)
    accuracy = torch.tensor([[0.4, 0.2, 0.6], [0.8, 0.4, 0.6]], dtype=torch.float64)
    score = MaskedMetrics(
        mse=mse,
        prob_mse=mse / 10,
        accuracy=accuracy,
        agreement=accuracy + 0.1,
        uncoded_accuracy=torch.tensor([1.0, 0.6], dtype=torch.float64),
    ).score()
    # Over groups first: mse 1, 6, 1 and accuracy 0.6, 0.3, 0.6 for the three masks.
    assert score.mse == pytest.approx(8 / 3)
    assert score.mse_p95 == pytest.approx(np.quantile([1, 6, 1], 0.95)) == pytest.approx(5.5)
    assert score.prob_mse == pytest.approx(8 / 30)
    assert score.prob_mse_p95 == pytest.approx(0.55)
    assert score.accuracy == pytest.approx(0.5)
    assert score.rel_acc == pytest.approx(0.5 / 0.8)
    assert score.rel_acc_p5 == pytest.approx(np.quantile([0.6, 0.3, 0.6], 0.05) / 0.8)
    assert score.agreement == pytest.approx(0.6)
    assert score.agreement_p5 == pytest.approx(np.quantile([0.7, 0.4, 0.7], 0.05))


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_without_a_right_answer_there_is_no_relative_accuracy(case: Case, space: DecodeSpace) -> None:
    wrong = (case.logits.argmax(-1) + 1) % OUTPUTS
    truth = Truth.of(case.logits, wrong, decode_space=space)
    score = measure([_decode(truth.answers(case.answers), case.decoders, case.arrived)], truth).score()
    assert score.rel_acc is None
    assert score.rel_acc_p5 is None
    assert score.agreement > 0
    assert "rel_acc" not in score.metrics()


def test_the_truth_is_in_the_decode_space(case: Case) -> None:
    probabilities, logits, softmax = (case.truth(space) for space in DECODE_SPACES)
    assert torch.equal(logits.outputs, case.logits)
    torch.testing.assert_close(probabilities.outputs, case.logits.softmax(-1))
    assert torch.equal(logits.probabilities, probabilities.probabilities)
    assert torch.equal(logits.answers(case.answers), case.answers)
    torch.testing.assert_close(probabilities.answers(case.answers), case.answers.softmax(-1))
    assert torch.equal(softmax.answers(case.answers), case.answers)
    assert torch.equal(softmax.outputs, probabilities.outputs)
    torch.testing.assert_close(softmax.estimates(case.answers), case.answers.softmax(-1))
    assert torch.equal(logits.estimates(case.answers), case.answers)
    assert torch.equal(probabilities.estimates(case.answers), case.answers)
    assert torch.equal(probabilities.accuracy, logits.accuracy)
    assert probabilities.accuracy.shape == (GROUPS,)
