"""Decoders that are matrices: rational ones, by hand."""

from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import GroupCode, Placement, RationalCode
from nercc_tune.inference.decoders import MatrixDecoder
from nercc_tune.records import DEGREES, DecoderKind, Design
from tests.fakes import draw, tiny_model, tiny_spec, tiny_workload

CODE = "code={ queries = 5, workers = 12, stragglers = [2, 4], rack = 4 }"


@pytest.mark.parametrize("lambda_enc", [0.0, 1e-2])
@pytest.mark.parametrize("assignment", ["identity", "interleaved"])
@pytest.mark.parametrize("decoder", DEGREES)
def test_a_rational_decoder_is_measured_as_it_is_served(
    decoder: DecoderKind, assignment: str, lambda_enc: float
) -> None:
    design = Design(
        ordering="nearest-neighbour",
        nodes="uniform",
        assignment=assignment,
        rack=4,
        decode_space="logits-softmax",
        decoder=decoder,
    )
    draws = draw(tiny_spec(CODE, "search.objective=prob_mse"))
    code = GroupCode(
        lambda nodes: RationalCode(nodes, lambda_enc=lambda_enc, degree=DEGREES[decoder]),
        queries=5,
        workers=12,
        placement=Placement.of(design),
    )
    model = tiny_model()
    for stragglers, evaluator in draws.evaluators.items():
        found = evaluator.metrics(design, lambda_enc, 0.0).prob_mse
        (batch,) = evaluator.masks.batches
        assert batch.shape == (4, 12 - stragglers)
        for group, queries in enumerate(draws.outputs.groups.queries):
            placed, truth = code.on(queries), model(queries).softmax(-1)
            answers = model(placed.encode(queries)).double()
            for mask, arrived in enumerate(batch):
                estimates = placed.decode(answers[arrived], arrived).softmax(-1)
                error = (estimates - truth).square().sum(-1).mean()
                # Answers up to 20 are decoded in float32 there, by rows of which degree 3 has large entries.
                assert float(found[group, mask]) == pytest.approx(float(error), rel=1e-3, abs=1e-6)


def test_degrees_of_freedom_are_the_answers() -> None:
    batches = [torch.arange(10).expand(3, -1), torch.arange(8).expand(2, -1)]
    nodes = draw(tiny_spec()).groups.layout(Design()).nodes
    decoder = MatrixDecoder(RationalCode(nodes, lambda_enc=0.0, degree=0), batches)
    assert decoder.df(0.0).tolist() == [10.0, 10.0, 10.0, 8.0, 8.0]


def test_rational_decoders_are_searched_without_a_parameter_beside_the_others() -> None:
    spec = tiny_spec("search.decoders=['spline', 'berrut-0', 'berrut-1', 'berrut-3']", "search.objective=prob_mse")
    evaluator = draw(spec, workload=tiny_workload()).evaluators[2]
    options = evaluator.best(spec.encodings[0], spec.readings)
    assert {option.decoder for option in options} == {"spline", "berrut-0", "berrut-1", "berrut-3"}
    errors = [option.score.prob_mse for option in options]
    assert errors == sorted(errors)
    for option in options:
        design = spec.reference.with_reading(option.reading)
        assert option.score == evaluator.metrics(design, 0.0, option.parameter).score()
        if option.decoder != "spline":
            assert (option.lambda_dec, option.kernel, option.distrust, option.profile) == (0.0, None, None, ())
