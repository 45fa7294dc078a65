from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import BASELINE_CODES, NerccCode, node_set
from nercc_tune.inference import (
    CellEvaluator,
    ForwardEngine,
    MaskedMetrics,
    OutputStore,
    Truth,
    WorkerOutputs,
    exactly,
    measure,
)
from nercc_tune.timings import Timings
from tests.fakes import draw, tiny_spec
from tests.inference.fakes import Counting, draw_groups

NODES = node_set("chebyshev", queries=5, workers=9)
ARRIVED = exactly(3, workers=9, masks=4, seed=0)
GRID = (0.0, *(10 ** (-10 + step / 4) for step in range(41)))


class Bench:
    """An evaluator, and what it was made of."""

    def __init__(self, space: str = "probabilities") -> None:
        self.model = Counting()
        self.timings = Timings()
        engine = ForwardEngine(self.model, device=torch.device("cpu"))
        store = OutputStore(None, memory_mb=16)
        self.outputs = WorkerOutputs(draw_groups(), engine=engine, store=store, timings=self.timings)
        self.truth = Truth.of(self.outputs.uncoded(), self.outputs.groups.labels, decode_space=space)
        self.evaluator = CellEvaluator(NODES, ARRIVED, outputs=self.outputs, truth=self.truth, timings=self.timings)

    def direct(self, lambda_enc: float, lambda_dec: float) -> MaskedMetrics:
        code = NerccCode(NODES, lambda_enc=lambda_enc, lambda_dec=lambda_dec)
        return measure(self.outputs.of(code.encoder_matrix), code.decoder_matrix(ARRIVED), ARRIVED, self.truth)


def _assert_same(found: MaskedMetrics, expected: MaskedMetrics) -> None:
    # The spectrum's decoders agree within 1e-8, and answers are in float32.
    torch.testing.assert_close(found.mse, expected.mse, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(found.prob_mse, expected.prob_mse, rtol=1e-4, atol=1e-9)
    assert torch.equal(found.accuracy, expected.accuracy)
    assert torch.equal(found.agreement, expected.agreement)
    assert torch.equal(found.uncoded_accuracy, expected.uncoded_accuracy)


@pytest.mark.parametrize("space", ["probabilities", "logits"])
@pytest.mark.parametrize(("lambda_enc", "lambda_dec"), [(0.0, 0.0), (1e-4, 1e-2), (0.0, 1.0)])
def test_a_pair_is_measured_as_its_code_decodes(space: str, lambda_enc: float, lambda_dec: float) -> None:
    bench = Bench(space)
    found = bench.evaluator.pair_metrics(lambda_enc, lambda_dec)
    assert found.mse.shape == (4, 4)
    _assert_same(found, bench.direct(lambda_enc, lambda_dec))
    evaluation = bench.evaluator.evaluate(lambda_enc, lambda_dec, GRID)
    assert (evaluation.lambda_enc, evaluation.lambda_dec) == (lambda_enc, lambda_dec)
    assert evaluation.score == found.score()


@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_the_profile_is_the_mse_of_every_smoothing_of_the_grid(space: str) -> None:
    bench = Bench(space)
    evaluation = bench.evaluator.evaluate(1e-5, None, GRID)
    assert len(evaluation.profile) == len(GRID)
    for at in (0, 1, 20, 41):
        expected = float(bench.direct(1e-5, GRID[at]).mse.mean())
        assert evaluation.profile[at] == pytest.approx(expected, rel=1e-4)
    assert evaluation.score.mse <= min(evaluation.profile) * (1 + 1e-4)
    assert evaluation.score == bench.evaluator.pair_metrics(1e-5, evaluation.lambda_dec).score()


@pytest.mark.parametrize("name", BASELINE_CODES)
def test_a_baseline_is_measured_as_its_code_decodes(name: str) -> None:
    bench = Bench()
    code = BASELINE_CODES[name](NODES)
    answers = bench.outputs.of(code.encoder_matrix)
    expected = measure(answers, code.decoder_matrix(ARRIVED), ARRIVED, bench.truth)
    _assert_same(bench.evaluator.baseline_metrics(name), expected)


def test_only_a_new_encoder_runs_the_model() -> None:
    bench = Bench()
    ran = [sum(bench.model.seen)]
    for lambda_enc, lambda_dec in ((0.0, None), (0.0, 1e-3), (0.0, 1.0), (1e-3, None), (1e-3, 0.0), (0.0, None)):
        bench.evaluator.evaluate(lambda_enc, lambda_dec, GRID)
        ran.append(sum(bench.model.seen))
    assert ran == [20, 56, 56, 56, 92, 92, 92]
    for name in ("nercc_ag", "replication", "uncoded"):
        bench.evaluator.baseline_metrics(name)
    assert sum(bench.model.seen) == 92
    bench.evaluator.baseline_metrics("bacc")
    assert sum(bench.model.seen) == 128
    assert set(bench.timings.seconds) == {"encode", "forward", "decode"}


def test_degrees_of_freedom_are_the_mean_over_the_masks() -> None:
    code = NerccCode(NODES, lambda_enc=0.0, lambda_dec=1e-2)
    assert Bench().evaluator.df_dec(1e-2) == pytest.approx(code.df_dec(ARRIVED), rel=1e-8)


def test_the_draws_of_a_half_share_groups_and_nest_their_masks() -> None:
    tuning, again, heldout = (draw(tiny_spec(), heldout=is_heldout) for is_heldout in (False, False, True))
    few, many = tuning.evaluators[2].arrived, tuning.evaluators[4].arrived
    assert all(set(rest.tolist()) < set(most.tolist()) for most, rest in zip(few, many, strict=True))
    assert torch.equal(again.evaluators[2].arrived, few)
    assert torch.equal(again.outputs.groups.queries, tuning.outputs.groups.queries)
    assert (len(few), len(heldout.evaluators[2].arrived)) == (4, 5)
    assert not torch.equal(heldout.evaluators[2].arrived[:4], few)
    assert tuning.outputs.groups.key != heldout.outputs.groups.key
    assert tuning.uncoded_accuracy == pytest.approx(float(tuning.truth.accuracy.mean()))
    tuning.evaluators[2].evaluate(1e-3, None, GRID)
    before = tuning.outputs.forwards
    tuning.evaluators[4].evaluate(1e-3, None, GRID)
    assert tuning.outputs.forwards == before
