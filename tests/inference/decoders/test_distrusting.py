"""Decoders that may distrust, against what reads each mask and group for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import AnswerReader, KrigingCode, NerccCode, RationalCode
from nercc_tune.coding.answer_reader import Placed
from nercc_tune.inference import CellEvaluator, measure
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.decoders import EitherDecoding
from nercc_tune.inference.decoders.distrusting import DistrustingDecoding
from nercc_tune.records import (
    DEGREES,
    DecoderKind,
    Distrust,
    Distrusting,
    DistrustKind,
    Encoding,
    Kernel,
    Reading,
    Trusting,
    kernel_of,
    smoothing_of,
)
from nercc_tune.straggling import Arrivals
from tests.inference.lying import Lying

ENCODING = Encoding(nodes="uniform", lambda_enc=1e-5)
KERNEL = Kernel(range=0.7, nugget=1e-3, temperature=0.5)
SETTINGS: dict[DecoderKind, Trusting] = {
    "spline": 1e-5,
    "kriging": KERNEL,
    "calibrated": replace(KERNEL, weight=0.6, ridge=1e-3),
    "berrut-0": 0.0,
    "berrut-2": 0.0,
}
LEVELS: dict[DistrustKind, float] = {
    "residuals": 4.0,
    "huber": 3.0,
    "tukey": 5.0,
    "median": 5.0,
    "polynomial": 2.0,
    "rational": 2.0,
}
EXPECTING = ("residuals", "huber", "tukey")
COUNTED = [kind for kind in LEVELS if kind not in EXPECTING]
PAIRS = [(decoder, kind) for decoder in SETTINGS for kind in LEVELS if decoder not in DEGREES or kind in COUNTED]


@pytest.fixture(scope="module")
def lying() -> Lying:
    code = "code={ queries = 3, workers = 34, stragglers = [3], rack = 4 }"
    return Lying.of(code, "search.decoders=['calibrated']", "search.nodes=['uniform']", "evaluation.tuning_groups=6")


def _reading(decoder: DecoderKind, assignment: str = "identity") -> Reading:
    return assignment, "logits-softmax", decoder


def _code(lying: Lying, group: int, decoder: DecoderKind) -> Placed:
    """Return the code that reads the answers of one group."""
    nodes, lambda_enc = lying.draws.groups.layout(ENCODING).nodes, ENCODING.lambda_enc
    setting = SETTINGS[decoder]
    if decoder == "spline":
        return NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=smoothing_of(setting))
    if decoder in DEGREES:
        return RationalCode(nodes, lambda_enc=lambda_enc, degree=DEGREES[decoder])
    measured = None
    if decoder == "calibrated":
        folds = lying.draws.calibration.crossed(ENCODING, "logits-softmax")
        (measured,) = [moments for groups, moments in folds if group in range(6)[groups]]
    return KrigingCode(nodes, lambda_enc=lambda_enc, kernel=kernel_of(setting), measured=measured)


def _by_hand(
    lying: Lying, decoding: DistrustingDecoding, decoder: DecoderKind, distrust: Distrust | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the estimates [G, K, c] and suspects [G, F] of every mask, each group of it read for itself."""
    codes = [_code(lying, group, decoder) for group in range(6)]
    typical = lying.draws.calibration.typical(ENCODING, "logits-softmax")
    for batch in decoding.given.each():
        for arrived, answers, unusable in zip(batch.arrived, batch.answers, batch.unusable, strict=True):
            read = [
                AnswerReader(code, arrived[None], typical).read(
                    answers[None, [group]], unusable=unusable[None, [group]], distrust=distrust
                )
                for group, code in enumerate(codes)
            ]
            yield torch.cat([estimates[0] for estimates, _ in read]), torch.cat([suspects[0] for _, suspects in read])


@pytest.mark.parametrize(("decoder", "kind"), PAIRS)
def test_every_mask_and_group_is_read_as_if_it_were_alone(
    decoder: DecoderKind, kind: DistrustKind, lying: Lying
) -> None:
    distrust = Distrust(kind=kind, level=LEVELS[kind], most=3, scale=0.5)
    decoding = lying.decoding(ENCODING, _reading(decoder, "interleaved"))
    found = list(decoding.readings(Distrusting(trusting=SETTINGS[decoder], distrust=distrust)))
    estimates, suspects = (torch.cat(each) for each in zip(*((r.estimates, r.suspects) for r in found), strict=True))
    expected = list(_by_hand(lying, decoding, decoder, distrust))
    assert torch.equal(suspects, torch.stack([its for _, its in expected]))
    assert suspects.any()
    # Of answers up to 20; those that are left out are taken off in another order.
    torch.testing.assert_close(
        estimates, torch.stack([its for its, _ in expected]), rtol=1e-6, atol=1e-6, equal_nan=True
    )
    again = torch.cat(list(decoding.estimates(Distrusting(trusting=SETTINGS[decoder], distrust=distrust))))
    assert torch.equal(again.nan_to_num(), estimates.to(torch.float32).nan_to_num())


@pytest.mark.parametrize("kind", ["residuals", "tukey"])
def test_answers_are_screened_by_what_all_right_ones_look_like(kind: DistrustKind, lying: Lying) -> None:
    decoding = lying.decoding(ENCODING, _reading("kriging"))
    distrust = Distrust(kind=kind, level=LEVELS[kind], most=3, scale=2.0, typical=20.0)
    suspects = torch.cat(
        [reading.suspects for reading in decoding.readings(Distrusting(trusting=KERNEL, distrust=distrust))]
    )
    assert torch.equal(suspects, torch.stack([its for _, its in _by_hand(lying, decoding, "kriging", distrust)]))
    unscreened = Distrusting(trusting=KERNEL, distrust=replace(distrust, typical=None))
    assert not torch.equal(suspects, torch.cat([reading.suspects for reading in decoding.readings(unscreened)]))


@pytest.mark.parametrize("decoder", SETTINGS)
def test_who_believes_all_suspects_what_is_no_number_alone(decoder: DecoderKind, lying: Lying) -> None:
    decoding = lying.decoding(ENCODING, _reading(decoder))
    for reading in decoding.readings(SETTINGS[decoder]):
        assert torch.equal(reading.suspects, reading.given.unusable)
        assert reading.estimates.isfinite().all()
    estimates = torch.cat([reading.estimates for reading in decoding.readings(SETTINGS[decoder])])
    expected = torch.stack([its for its, _ in _by_hand(lying, decoding, decoder, None)])
    torch.testing.assert_close(estimates, expected, rtol=1e-6, atol=1e-6)


def _without_liars(lying: Lying) -> CellEvaluator:
    """Return the evaluator of masks under which the liars have not arrived, and all others tell the truth."""
    arrived = np.zeros((len(lying.arrived), lying.spec.code.workers), dtype=np.bool_)
    for place, workers in enumerate(lying.arrived):
        honest = workers[~torch.isin(workers, lying.errors.lies.liars(place))]
        arrived[place, honest] = True
    return CellEvaluator(
        lying.evaluator.cell,
        CellMasks(Arrivals(arrived=arrived)),
        drawn=lying.draws.groups,
        calibration=lying.draws.calibration,
        goal=lying.spec.search.goal,
        grid=lying.spec.decoder_grid,
    )


@pytest.mark.parametrize("assignment", ["identity", "interleaved"])
@pytest.mark.parametrize("decoder", SETTINGS)
def test_an_oracle_decodes_as_if_no_liar_had_arrived(decoder: DecoderKind, assignment: str, lying: Lying) -> None:
    reading = _reading(decoder, assignment)
    design, setting = lying.design(ENCODING, reading), SETTINGS[decoder]
    truth = lying.truth(ENCODING, reading)
    expected = _without_liars(lying).metrics(design, ENCODING.lambda_enc, setting)
    distrust = Distrust(kind="median", level=5.0, most=3)
    for parameter in (setting, Distrusting(trusting=setting, distrust=distrust)):
        found = measure(lying.decoding(ENCODING, reading).oracle(parameter), truth)
        # Plain decoders work in float32, on answers up to 20.
        torch.testing.assert_close(found.prob_mse, expected.prob_mse, rtol=1e-3, atol=1e-7)
        assert torch.equal(found.agreement, expected.agreement)


@pytest.mark.parametrize("decoder", SETTINGS)
def test_where_nobody_lies_both_decoders_agree(decoder: DecoderKind, lying: Lying) -> None:
    """A cell without liars decodes those that trust by other means than those that distrust."""
    reading, setting = _reading(decoder), SETTINGS[decoder]
    honest = lying.evaluator._where_nobody_lies
    answers, truth = lying.draws.groups.answers(ENCODING), lying.truth(ENCODING, reading)
    either = honest.prepared(ENCODING, reading, answers, truth)
    assert isinstance(either, EitherDecoding)
    trusting, reader = (torch.cat(list(part.estimates(setting))) for part in (either.trusting, either.distrusting))
    torch.testing.assert_close(trusting, reader, rtol=1e-4, atol=1e-3)  # float32 of answers up to 20
    assert torch.equal(torch.cat(list(either.estimates(setting))), trusting)
    parameter = Distrusting(trusting=setting, distrust=Distrust(kind="median", level=3.0, most=1))
    distrusting = torch.cat(list(either.estimates(parameter)))
    assert torch.equal(distrusting, torch.cat(list(either.distrusting.estimates(parameter))))
    assert not torch.equal(distrusting, trusting)
    assert (either.error_curve(truth) is None) == (either.trusting.error_curve(truth) is None)


@pytest.mark.parametrize("decoder", ["spline", "kriging", "calibrated"])
def test_the_scale_is_what_right_answers_deviate_from_each_other(decoder: DecoderKind, lying: Lying) -> None:
    decoding = lying.decoding(ENCODING, _reading(decoder))
    deviations = []
    for batch in decoding.given.each():
        for arrived, answers, liars in zip(batch.arrived, batch.answers, batch.lying, strict=True):
            for group in range(6):
                reader = AnswerReader(_code(lying, group, decoder), arrived[~liars][None])
                right = answers[None, [group]][:, :, ~liars]
                deviations.append(reader.deviations(right, unusable=torch.zeros(1, 1, 29, dtype=torch.bool)))
    assert decoding.scale(SETTINGS[decoder]) == pytest.approx(float(torch.cat(deviations).mean()), rel=1e-6)
    assert decoding.expects(SETTINGS[decoder])


def test_rational_decoders_expect_nothing_of_an_answer(lying: Lying) -> None:
    assert not lying.decoding(ENCODING, _reading("berrut-0")).expects(0.0)


@pytest.mark.parametrize("decoder", SETTINGS)
def test_some_masks_and_groups_are_decoded_as_all_are(decoder: DecoderKind, lying: Lying) -> None:
    """Of calibrated decoders each group by the moments of the others, whichever groups are looked at."""
    decoding = lying.decoding(ENCODING, _reading(decoder))
    masks, groups = torch.tensor([0, 4, 5, 11]), torch.tensor([0, 2, 5])
    parameter = Distrusting(trusting=SETTINGS[decoder], distrust=Distrust(kind="median", level=5.0, most=3))
    for setting in (SETTINGS[decoder], parameter):
        every = torch.cat(list(decoding.estimates(setting)))
        some = torch.cat(list(decoding.thinned(masks, groups).estimates(setting)))
        torch.testing.assert_close(some, every[masks][:, groups], rtol=1e-5, atol=1e-5, equal_nan=True)


def test_settings_in_turn_are_not_mixed_up(lying: Lying) -> None:
    """What one setting leaves behind is not read with another, nor that of liars where nobody lies."""
    decoding = lying.decoding(ENCODING, _reading("spline"))
    honest = decoding.honest()
    first = [torch.cat(list(each.estimates(value))) for each in (decoding, honest) for value in (1e-5, 1e-2, 1e-5)]
    alone = [
        torch.cat(list(each.estimates(value)))
        for value in (1e-5, 1e-2)
        for each in (
            lying.decoding(ENCODING, _reading("spline")),
            lying.decoding(ENCODING, _reading("spline")).honest(),
        )
    ]
    assert torch.equal(first[0], first[2])
    for found, expected in zip((first[0], first[3], first[1], first[4]), alone, strict=True):
        assert torch.equal(found, expected)
    assert not torch.equal(first[0], first[3])
