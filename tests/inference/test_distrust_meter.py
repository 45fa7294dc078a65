"""What is counted of distrust, by hand; and evaluators whose cells have liars."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.inference import DistrustMeter, MaskedDistrust, measure
from nercc_tune.records import Design, Distrust, Distrusting, Encoding, Kernel, Reading, decoded_fields
from tests.fakes import draw, tiny_spec
from tests.inference.lying import KINDS, Lying

DESIGN = Design(nodes="uniform", decode_space="logits-softmax", rack=4, assignment="interleaved")
LAMBDA_ENC = 1e-6
DISTRUST = Distrust(kind="residuals", level=3.0, most=3, scale=0.02)
PARAMETER = Distrusting(trusting=1e-7, distrust=DISTRUST)
TRUSTING = 1e-6
SPLINE: Reading = DESIGN.reading
KRIGING: Reading = (DESIGN.assignment, DESIGN.decode_space, "kriging")


@pytest.fixture(scope="module")
def lying() -> Lying:
    return Lying.of("code={ queries = 3, workers = 28, stragglers = [3], rack = 4 }")


@pytest.fixture(scope="module")
def measured(lying: Lying) -> MaskedDistrust:
    return DistrustMeter(lying.evaluator).of(DESIGN, LAMBDA_ENC, PARAMETER, trusting=TRUSTING)


def _suspects(lying: Lying, *, honest: bool = False) -> list[Tensor]:
    """Return who is distrusted under each mask, [G, F] bool by positions."""
    decoding = lying.decoding(DESIGN.encoding(LAMBDA_ENC), SPLINE)
    readings = (decoding.honest() if honest else decoding).readings(PARAMETER)
    return [suspects for reading in readings for suspects in reading.suspects]


def test_who_is_found_and_who_is_accused_is_counted(lying: Lying, measured: MaskedDistrust) -> None:
    code = lying.code(DESIGN, LAMBDA_ENC)
    assert measured.kinds == KINDS * 2
    assert measured.wrong.tolist() == [2] * 14
    assert measured.right.tolist() == [23] * 14
    for place, suspects in enumerate(_suspects(lying)):
        liars = set(lying.errors.lies.liars(place).tolist())
        number = code.position.argsort()[code.position[lying.arrived[place]].sort().values]
        for group, doubted in enumerate(suspects):
            named = set(number[doubted].tolist())
            assert measured.found[group, place] == len(named & liars)
            assert measured.accused[group, place] == len(named - liars)
    at = [place for place, kind in enumerate(measured.kinds) if kind in ("nan", "infinity")]
    assert (measured.found[:, at] == 2).all()
    assert measured.accused.any()
    assert (measured.found + measured.accused <= DISTRUST.most + 2).all()


def test_errors_are_beside_those_of_an_oracle_and_of_honest_workers(lying: Lying, measured: MaskedDistrust) -> None:
    mean = {name: float(getattr(measured, name).prob_mse.mean()) for name in ("oracle", "honest", "honest_trusting")}
    honest = lying.evaluator._where_nobody_lies
    assert mean["honest_trusting"] == pytest.approx(
        float(honest.metrics(DESIGN, LAMBDA_ENC, TRUSTING).prob_mse.mean()), rel=1e-3
    )
    assert mean["honest"] == float(honest.metrics(DESIGN, LAMBDA_ENC, PARAMETER).prob_mse.mean())
    tuned = float(lying.evaluator.metrics(DESIGN, LAMBDA_ENC, PARAMETER).prob_mse.mean())
    believing = float(lying.evaluator.metrics(DESIGN, LAMBDA_ENC, TRUSTING).prob_mse.mean())
    encoding = DESIGN.encoding(LAMBDA_ENC)
    decoding, truth = lying.decoding(encoding, SPLINE), lying.truth(encoding, SPLINE)
    assert torch.equal(measured.oracle.prob_mse, measure(decoding.oracle(TRUSTING), truth).prob_mse)
    assert max(mean["oracle"], tuned) < believing


def test_false_alarms_are_a_share_of_all_answers(lying: Lying, measured: MaskedDistrust) -> None:
    suspects = torch.stack(_suspects(lying, honest=True))
    assert suspects.shape == (14, 4, 25)
    assert 0 < measured.false_alarms < 0.2
    assert measured.false_alarms == pytest.approx(int(suspects.sum()) / suspects.numel(), rel=1e-12)


def test_who_trusts_everybody_has_no_false_alarms(lying: Lying) -> None:
    measured = DistrustMeter(lying.evaluator).of(DESIGN, LAMBDA_ENC, TRUSTING, trusting=TRUSTING)
    assert measured.false_alarms == 0
    assert not measured.accused.any()
    assert measured.found.sum() == 2 * 2 * 2 * 4  # answers that are no numbers: of two liars, kinds, masks, four groups
    assert torch.equal(measured.honest.prob_mse, measured.honest_trusting.prob_mse)


def test_a_cell_without_liars_is_not_measured() -> None:
    with pytest.raises(ValueError, match=r"^the cell must have liars, but has none\.$"):
        DistrustMeter(draw(tiny_spec()).evaluators[2]).of(Design(), 0.0, 0.0, trusting=0.0)


def test_options_carry_the_distrust_and_no_profile(lying: Lying) -> None:
    encoding = Encoding(nodes="uniform", lambda_enc=LAMBDA_ENC)
    options = lying.evaluator.best(encoding, [SPLINE, KRIGING])
    assert [option.decoder for option in options] != []
    for option in options:
        assert option.distrust is not None
        assert option.profile == ()
        design = DESIGN.with_reading(option.reading)
        assert option.score == lying.evaluator.metrics(design, LAMBDA_ENC, option.parameter).score()
        again = lying.evaluator.option(design, LAMBDA_ENC, option.parameter)
        assert again == option
    errors = [option.score.prob_mse for option in options]
    assert errors == sorted(errors)


def test_what_is_best_where_nobody_lies_is_what_an_honest_cell_finds(lying: Lying) -> None:
    encoding = Encoding(nodes="uniform", lambda_enc=LAMBDA_ENC)
    honest = draw(tiny_spec(*_without_errors()))
    (spline,) = honest.evaluators[3].best(encoding, [SPLINE])
    assert lying.evaluator.best_trusting(encoding, SPLINE) == spline.lambda_dec
    (kriging,) = honest.evaluators[3].best(encoding, [KRIGING])
    assert isinstance(kriging.kernel, Kernel)
    assert lying.evaluator.best_trusting(encoding, KRIGING) == kriging.kernel
    assert decoded_fields(kriging.parameter)["distrust"] is None


def _without_errors() -> tuple[str, ...]:
    """Return the study of the cell without any wrong answers, whose groups and masks are the same."""
    masks = [f"evaluation.{part}_masks=14" for part in ("tuning", "validation", "heldout")]
    code = "code={ queries = 3, workers = 28, stragglers = [3], rack = 4 }"
    return (code, "search.objective=prob_mse", "evaluation.tuning_groups=4", *masks)


def test_degrees_of_freedom_are_those_of_the_decoder_that_believes_all(lying: Lying) -> None:
    evaluator = lying.evaluator
    assert evaluator.df_dec(DESIGN, LAMBDA_ENC, PARAMETER) == evaluator.df_dec(DESIGN, LAMBDA_ENC, PARAMETER.trusting)
