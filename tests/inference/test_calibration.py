"""What is measured of the tuning groups, and decoders that are calibrated on it."""

from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import KrigingCode, Sites, measure_moments, measure_typical
from nercc_tune.inference import Draws
from nercc_tune.inference.decoders import KrigingDecoder
from nercc_tune.records import DecodeSpace, Design, Encoding, Kernel
from nercc_tune.straggling import Part
from tests.fakes import tiny_inference, tiny_spec

SPEC = tiny_spec(
    "code.nodes=copies",
    "code.copies=1",
    "evaluation.tuning_groups=6",
    "search.decoders=['spline','kriging','calibrated']",
)
DESIGN = Design(nodes="copies-1", decoder="calibrated")
ENCODING = Encoding(nodes="copies-1", lambda_enc=1e-4)
SPACES: tuple[DecodeSpace, ...] = ("probabilities", "logits")
KERNEL = Kernel(range=1.0, nugget=1e-2, weight=0.7, ridge=1e-3)


def _draws(part: Part = "tuning", *, tuning: Draws | None = None) -> Draws:
    return tiny_inference(SPEC).draw(part, tuning=tuning)


def test_no_group_is_scored_by_moments_that_it_is_part_of() -> None:
    tuning = _draws()
    folds = tuning.calibration.folds_for(tuning.groups, ENCODING, "probabilities")
    covered = torch.cat([torch.arange(6)[groups] for groups, _ in folds])
    assert covered.tolist() == list(range(6))
    truth, sites = tuning.groups.truth(DESIGN, "probabilities"), Sites.of(tuning.groups.layout(DESIGN).nodes)
    answers = sites.distinct(truth.answers(tuning.groups.answers(ENCODING)))
    for groups, moments in folds:
        others = torch.ones(6, dtype=torch.bool)
        others[groups] = False
        expected = measure_moments(answers[others], truth.outputs[others]).rounded()
        assert torch.equal(moments.answers, expected.answers)
        assert torch.equal(moments.truths, expected.truths)


@pytest.mark.parametrize("part", ["validation", "heldout"])
def test_other_parts_are_decoded_by_the_moments_of_all_tuning_groups(part: Part) -> None:
    tuning = _draws()
    other = _draws(part, tuning=tuning)
    ((groups, moments),) = other.calibration.folds_for(other.groups, ENCODING, "probabilities")
    assert groups == slice(None)
    assert moments is tuning.calibration.whole(ENCODING, "probabilities")
    evaluator = other.evaluators[2]
    found = evaluator.metrics(DESIGN, ENCODING.lambda_enc, KERNEL)
    layout, truth = other.groups.layout(DESIGN), other.groups.truth(DESIGN, "probabilities")
    code = KrigingCode(layout.nodes, lambda_enc=ENCODING.lambda_enc, kernel=KERNEL, measured=moments)
    answers = truth.answers(other.groups.answers(ENCODING)).double()
    (positions,) = evaluator.masks.positions("identity", layout.nodes.beta, rack=None)
    estimates = torch.stack([code.decoder_matrix(arrived) @ answers[:, arrived] for arrived in positions], 1)
    expected = (estimates - truth.outputs[:, None]).square().sum(-1).mean(-1)
    torch.testing.assert_close(found.mse, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("space", SPACES)
def test_typical_answers_are_those_of_all_workers_as_they_are_served(space: DecodeSpace) -> None:
    tuning = tiny_inference(tiny_spec("evaluation.tuning_groups=7")).draw("tuning")
    encoding = Encoding(lambda_enc=1e-4)
    found = tuning.calibration.typical(encoding, space)
    given = tuning.groups.answers(encoding)  # raw outputs, which are logits
    expected = measure_typical(given.softmax(-1) if space == "probabilities" else given)
    assert found is not None
    assert expected is not None
    torch.testing.assert_close(found.means, expected.means, rtol=1e-5, atol=1e-6)
    for value in (found.means, found.precision):
        assert torch.equal(value, value.float().double())
    assert tuning.calibration.typical(encoding, space) is found
    others = [tuning.calibration.typical(encoding, other) for other in SPACES]
    others.append(tuning.calibration.typical(Encoding(lambda_enc=1e-2), space))
    assert len({other.digest for other in others if other is not None}) == 3


def test_too_few_tuning_groups_tell_nothing_of_typical_answers() -> None:
    tuning = _draws()
    assert tuning.groups.answers(ENCODING).shape == (6, 12, 4)  # 72 answers, and 80 are asked for
    for _ in range(2):
        assert tuning.calibration.typical(ENCODING, "probabilities") is None


def test_decoders_cost_no_forward() -> None:
    tuning = _draws()
    tuning.groups.answers(ENCODING)
    before = tuning.outputs.forwards
    for evaluator in tuning.evaluators.values():
        options = evaluator.best(ENCODING, SPEC.readings)
        assert {option.decoder for option in options} == {"spline", "kriging", "calibrated"}
    assert tuning.outputs.forwards == before


def test_the_best_kernel_is_not_beaten_by_others() -> None:
    evaluator = _draws().evaluators[4]
    for option in evaluator.best(ENCODING, SPEC.readings):
        if option.kernel is None:
            continue
        design = Design(nodes="copies-1").with_reading(option.reading)
        assert option.score == evaluator.metrics(design, ENCODING.lambda_enc, option.kernel).score()
        others = [Kernel(smoothness=nu, range=at, nugget=1e-3) for nu in (0.5, 2.5) for at in (0.0, 0.5, 4.0)]
        scores = [evaluator.metrics(design, ENCODING.lambda_enc, kernel).score().mse for kernel in others]
        assert option.score.mse <= min(scores) * 1.02  # few masks and groups tell kernels apart while they are compared


def test_moments_of_folds_serve_all_groups_at_once() -> None:
    tuning = _draws()
    layout = tuning.groups.layout(DESIGN)
    decoder = KrigingDecoder.of(
        Sites.of(layout.nodes),
        tuning.evaluators[2].masks.positions("identity", layout.nodes.beta, rack=None),
        has_copies=False,
        folds=tuning.calibration.crossed(ENCODING, "probabilities"),
    )
    with pytest.raises(ValueError, match="`groups` must be all of them"):
        decoder.prepare(tuning.groups.answers(ENCODING)[:2], groups=slice(0, 2))
    with pytest.raises(TypeError, match=r"kriging must be set to a kernel, but got 0\.5"):
        next(decoder.prepare(tuning.groups.answers(ENCODING)).estimates(0.5))


def test_a_spline_is_not_set_to_a_kernel() -> None:
    tuning = _draws()
    with pytest.raises(TypeError, match="a spline must be set to a λ_dec, but got Kernel"):
        tuning.evaluators[2].metrics(Design(nodes="copies-1"), 0.0, Kernel(range=1.0))
