"""Replication as a code that may be chosen."""

from __future__ import annotations

import torch

from nercc_tune.selection.replication import REPLICATION_KERNEL, replication_design
from tests.fakes import tiny_inference, tiny_spec


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
