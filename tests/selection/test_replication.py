"""Replication as a code that may be chosen."""

from __future__ import annotations

import torch

from nercc_tune.inference import DistrustMeter
from nercc_tune.records import Distrusting
from nercc_tune.selection.replication import REPLICATION_KERNEL, replication_design, replication_parameter
from tests.fakes import draw, tiny_inference, tiny_spec
from tests.inference.lying import Lying

LYING = (
    "code={ queries = 3, workers = 12, stragglers = [1] }",
    "errors={ kinds = ['sign-flip', 'nan'], count = 1, margin = 1 }",
    "search.distrusts=['residuals']",  # replication's copies have their votes all the same
)


def test_it_is_the_baseline_where_all_queries_have_as_many_copies() -> None:
    spec = tiny_spec("code.workers=15")
    assert spec.code.workers % spec.code.queries == 0
    draws = tiny_inference(spec).draw("tuning")
    for evaluator in draws.evaluators.values():
        mine = evaluator.metrics(replication_design(spec), 0.0, REPLICATION_KERNEL)
        baseline = evaluator.baseline_metrics("replication")
        torch.testing.assert_close(mine.mse, baseline.mse, rtol=1e-4, atol=1e-8)
        assert torch.equal(mine.agreement, baseline.agreement)


def test_it_costs_no_forward_where_plain_outputs_are_there() -> None:
    spec = tiny_spec()
    draws = tiny_inference(spec).draw("tuning")
    draws.outputs.uncoded()
    before = draws.outputs.forwards
    for evaluator in draws.evaluators.values():
        evaluator.metrics(replication_design(spec), 0.0, REPLICATION_KERNEL)
    assert draws.outputs.forwards == before


def test_it_trusts_where_nobody_lies() -> None:
    spec = tiny_spec()
    for evaluator in tiny_inference(spec).draw("tuning").evaluators.values():
        assert replication_parameter(spec, evaluator) == REPLICATION_KERNEL


def test_its_copies_find_who_lies_on_held_out_draws() -> None:
    tuned = Lying.of(*LYING, stragglers=1)
    design, parameter = replication_design(tuned.spec), replication_parameter(tuned.spec, tuned.evaluator)
    assert isinstance(parameter, Distrusting)
    assert (parameter.trusting, parameter.distrust.kind) == (REPLICATION_KERNEL, "copies")
    heldout = draw(tuned.spec, "heldout", tuning=tuned.draws).evaluators[1]
    measured = DistrustMeter(heldout).of(design, 0.0, parameter, trusting=REPLICATION_KERNEL)
    assert set(measured.kinds) == {"sign-flip", "nan"}
    assert torch.equal(measured.found, measured.wrong.expand_as(measured.found))
    assert not measured.accused.any()
    assert measured.false_alarms == 0
    trusting = heldout.metrics(design, 0.0, REPLICATION_KERNEL).prob_mse.mean()
    mine = heldout.metrics(design, 0.0, parameter).prob_mse.mean()
    assert mine < 1e-6 * trusting
