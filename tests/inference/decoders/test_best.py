"""The best value of a decoder's parameter, with a decoder that is none of the package's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from nercc_tune.inference import Truth, measure
from nercc_tune.inference.decoders import Decoding, JoinedDecoder, best_parameter, profile_of
from nercc_tune.inference.decoders.decoder import ErrorCurve
from nercc_tune.records import DecodeSpace, Goal, Parameter, smoothing_of

GRID = (0.0, *(10 ** (-6 + step / 2) for step in range(13)))
BEST = 1e-3
LOGITS = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


class Shifting:
    """Gives the truth, moved by how far the parameter is from the best one in decades."""

    def __init__(self, *, masks: int, has_curve: bool) -> None:
        self.masks = masks
        self.has_curve = has_curve
        self.decoded = 0

    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        return _Shifted(self, answers[groups])

    def df(self, parameter: Parameter) -> Tensor:
        return torch.full((self.masks,), smoothing_of(parameter))


class _Shifted:
    def __init__(self, decoder: Shifting, answers: Tensor) -> None:
        self.decoder = decoder
        self.answers = answers

    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        self.decoder.decoded += 1
        for _ in range(self.decoder.masks):
            yield (self.answers + _shift(torch.tensor(smoothing_of(parameter))))[None]

    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        if not self.decoder.has_curve or truth.decode_space == "logits-softmax":
            return None
        outputs = self.answers.shape[-1]
        return lambda values: (outputs * _shift(values).square()).double().expand(self.decoder.masks, -1)


def _shift(values: Tensor) -> Tensor:
    return (values.clamp(min=1e-9).log10() - torch.tensor(BEST).log10()) / 100


def _truth(space: DecodeSpace) -> Truth:
    return Truth.of(LOGITS, LOGITS.argmax(-1), decode_space=space)


@pytest.mark.parametrize("space", ["probabilities", "logits"])
@pytest.mark.parametrize("has_curve", [True, False])
def test_the_best_value_is_found_with_and_without_a_curve(space: DecodeSpace, has_curve: bool) -> None:
    truth = _truth(space)
    decoder = JoinedDecoder([Shifting(masks=2, has_curve=has_curve), Shifting(masks=1, has_curve=has_curve)])
    decoding = decoder.prepare(truth.outputs)
    best, score, profile = best_parameter(decoding, truth, Goal(), GRID)
    assert best == pytest.approx(BEST, rel=0.05)
    assert score == measure(decoding.estimates(best), truth).score()
    assert score.mse == pytest.approx(0.0, abs=1e-6)
    expected = [measure(decoding.estimates(value), truth).score().mse for value in GRID]
    assert profile == pytest.approx(expected, rel=1e-4, abs=1e-9)  # the estimates are in float32
    assert profile_of(decoding, truth, Goal(), GRID) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_nothing_is_decoded_where_a_curve_tells() -> None:
    truth, decoder = _truth("logits"), Shifting(masks=2, has_curve=True)
    best_parameter(decoder.prepare(truth.outputs), truth, Goal(), GRID)
    assert decoder.decoded == 1


@pytest.mark.parametrize(
    ("goal", "space"),
    [
        (Goal(metric="prob_mse"), "logits"),
        (Goal(metric="agreement"), "logits"),
        (Goal(min_agreement=0.5), "probabilities"),
        (Goal(), "logits-softmax"),
    ],
)
def test_a_curve_of_another_error_is_not_followed(goal: Goal, space: DecodeSpace) -> None:
    truth, decoder = _truth(space), Shifting(masks=2, has_curve=True)
    answers = LOGITS if space != "probabilities" else truth.outputs
    best_parameter(decoder.prepare(answers), truth, goal, GRID)
    assert decoder.decoded > len(GRID)


def test_a_curve_must_cover_all_masks() -> None:
    parts = [Shifting(masks=1, has_curve=True), Shifting(masks=1, has_curve=False)]
    truth = _truth("logits")
    assert JoinedDecoder(parts).prepare(truth.outputs).error_curve(truth) is None


def test_degrees_of_freedom_stand_in_the_order_of_the_masks() -> None:
    joined = JoinedDecoder([Shifting(masks=2, has_curve=True), Shifting(masks=1, has_curve=True)])
    assert joined.df(3.0).tolist() == [3.0, 3.0, 3.0]
