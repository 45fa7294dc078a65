from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, GroupCode, LinearCode, NerccCode, NodeSet, Placement, node_set
from nercc_tune.inference import (
    CellEvaluator,
    DrawnGroups,
    ForwardEngine,
    MaskedMetrics,
    OutputStore,
    WorkerOutputs,
)
from nercc_tune.inference.calibration import Calibration
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.records import DECODE_SPACES, Cell, DecodeSpace, Design, Encoding, Goal, Metric, Option, Reading, Score
from nercc_tune.records.timings import Timings
from nercc_tune.straggling import Arrivals, Bursts, Exactly, FirstArrivals, Independent, ShiftedExponential
from tests.inference.fakes import Counting, draw_groups

NODES = node_set("chebyshev", queries=5, workers=9)
ARRIVALS: dict[str, Arrivals] = {
    "exactly": Exactly(workers=9).draw(3, masks=4, seed=0),
    "bursts": Bursts(workers=9, rack=3).draw(4, masks=4, seed=0),
    "a random count": Independent(workers=9, probability=0.3).draw(masks=6, seed=0),
}
GRID = (0.0, *(10 ** (-10 + step / 4) for step in range(41)))
DESIGNS = (
    Design(),
    Design(decode_space="logits"),
    Design(decode_space="logits-softmax"),
    Design(ordering="nearest-neighbour", decode_space="logits"),
    Design(ordering="projection", nodes="uniform", assignment="interleaved", decode_space="logits-softmax"),
    Design(nodes="systematic", assignment="interleaved"),
    Design(nodes="chord-length", decode_space="logits-softmax"),
    Design(ordering="nearest-neighbour", nodes="chord-length"),
    Design(ordering="nearest-neighbour", nodes="chord-length", assignment="interleaved", decode_space="logits"),
)
PROFILED: Mapping[str, Design] = {design.label: design for design in DESIGNS}


class Bench:
    """An evaluator, and what it was made of."""

    def __init__(
        self,
        reference: Design | None = None,
        *,
        arrivals: Arrivals = ARRIVALS["exactly"],
        goal: Goal | None = None,
        blocks: int = 1,
    ) -> None:
        self.arrivals = arrivals
        self.model = Counting()
        self.timings = Timings()
        engine = ForwardEngine(self.model, device=torch.device("cpu"))
        store = OutputStore(None, memory_mb=16)
        self.outputs = WorkerOutputs(draw_groups(), engine=engine, store=store, timings=self.timings, blocks=blocks)
        drawn = DrawnGroups(
            self.outputs,
            reference=reference or Design(rack=3),
            workers=9,
            features=None,
            timings=self.timings,
        )
        cell = Cell(study="bench", model="counting", data="", queries=5, workers=9, stragglers=3, fewest=3, weight=1.0)
        self.evaluator = CellEvaluator(
            cell, CellMasks(arrivals), drawn=drawn, calibration=Calibration(drawn), goal=goal or Goal(), grid=GRID
        )

    @property
    def drawn(self) -> DrawnGroups:
        return self.evaluator.drawn

    def by_hand(self, build: Callable[[NodeSet], LinearCode], design: Design) -> MaskedMetrics:
        """Serve every group under every mask with its own code, in the order in which its queries came."""
        code = GroupCode(build, queries=5, workers=9, placement=Placement.of(design))
        most_first = np.argsort(self.arrivals.stragglers, kind="stable")
        rows = [
            [
                self._serve(code, group, torch.from_numpy(mask), design.decode_space)
                for mask in self.arrivals.arrived[most_first]
            ]
            for group in range(4)
        ]
        mse, prob_mse, accuracy, agreement = torch.tensor(rows, dtype=torch.float64).unbind(-1)
        with torch.inference_mode():
            plain = torch.stack([Counting()(queries) for queries in self.outputs.groups.queries])
        right = (plain.argmax(-1) == self.outputs.groups.labels).double().mean(-1)
        return MaskedMetrics(mse=mse, prob_mse=prob_mse, accuracy=accuracy, agreement=agreement, uncoded_accuracy=right)

    def _serve(
        self, code: GroupCode, group: int, mask: Tensor, space: DecodeSpace
    ) -> tuple[float, float, float, float]:
        queries, labels = self.outputs.groups.queries[group], self.outputs.groups.labels[group]
        placed = code.on(queries)
        with torch.inference_mode():
            answers, plain = Counting()(placed.encode(queries)), Counting()(queries)
        sent = answers.softmax(-1) if space == "probabilities" else answers
        estimates = placed.decode(sent[mask].double(), mask)
        estimates = estimates.softmax(-1) if space == "logits-softmax" else estimates
        probabilities = plain.double().softmax(-1)
        truth = plain.double() if space == "logits" else probabilities
        as_probabilities = estimates.softmax(-1) if space == "logits" else estimates
        return (
            float((estimates - truth).square().sum(-1).mean()),
            float((as_probabilities - probabilities).square().sum(-1).mean()),
            float((estimates.argmax(-1) == labels).double().mean()),
            float((estimates.argmax(-1) == plain.argmax(-1)).double().mean()),
        )


def _nercc(lambda_enc: float, lambda_dec: float) -> Callable[[NodeSet], LinearCode]:
    return lambda nodes: NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec)


def _in_study(design: Design) -> Design:
    """Return a design with the rack and the power of the study."""
    return Design(
        ordering=design.ordering,
        nodes=design.nodes,
        assignment=design.assignment,
        rack=3,
        decode_space=design.decode_space,
    )


def _assert_same(found: MaskedMetrics, expected: MaskedMetrics) -> None:
    # The spectrum's decoders agree within 1e-8, and answers are in float32.
    torch.testing.assert_close(found.mse, expected.mse, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(found.prob_mse, expected.prob_mse, rtol=1e-4, atol=1e-9)
    assert torch.equal(found.accuracy, expected.accuracy)
    assert torch.equal(found.agreement, expected.agreement)
    assert torch.equal(found.uncoded_accuracy, expected.uncoded_accuracy)


@pytest.mark.parametrize("arrivals", ARRIVALS.values(), ids=ARRIVALS)
@pytest.mark.parametrize("design", DESIGNS, ids=PROFILED)
def test_a_code_is_measured_as_it_is_served(design: Design, arrivals: Arrivals) -> None:
    bench = Bench(arrivals=arrivals)
    for lambda_enc, lambda_dec in ((0.0, 0.0), (1e-4, 1e-2), (1e-3, 1.0)):
        found = bench.evaluator.metrics(design, lambda_enc, lambda_dec)
        assert found.mse.shape == (4, len(arrivals.arrived))
        _assert_same(found, bench.by_hand(_nercc(lambda_enc, lambda_dec), _in_study(design)))


@pytest.mark.parametrize("arrivals", ARRIVALS.values(), ids=ARRIVALS)
@pytest.mark.parametrize("name", BASELINE_CODES)
def test_a_baseline_is_measured_as_it_is_served(name: str, arrivals: Arrivals) -> None:
    for design in DESIGNS[:6]:
        reference = _in_study(design)
        bench = Bench(reference, arrivals=arrivals)
        _assert_same(bench.evaluator.baseline_metrics(name), bench.by_hand(BASELINE_CODES[name], reference))


@pytest.mark.parametrize("name", BASELINE_CODES)
@pytest.mark.parametrize("design", DESIGNS[5:], ids=list(PROFILED)[5:])
def test_a_baseline_may_have_another_design(design: Design, name: str) -> None:
    bench = Bench(arrivals=ARRIVALS["a random count"])
    found = bench.evaluator.baseline_metrics(name, design)
    _assert_same(found, bench.by_hand(BASELINE_CODES[name], _in_study(design)))


def test_many_answers_of_a_baseline_are_picked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    together = Bench().evaluator.baseline_metrics("bacc")
    monkeypatch.setattr("nercc_tune.inference.decoders.matrices._AT_ONCE", 1)
    _assert_same(Bench().evaluator.baseline_metrics("bacc"), together)


@pytest.mark.parametrize("design", DESIGNS, ids=PROFILED)
def test_an_option_is_the_score_with_the_profile(design: Design) -> None:
    bench = Bench(arrivals=ARRIVALS["a random count"])
    option = bench.evaluator.option(design, 1e-4, 1e-2)
    assert (option.assignment, option.decode_space) == (design.assignment, design.decode_space)
    assert option.lambda_dec == 1e-2
    assert option.score == bench.evaluator.metrics(design, 1e-4, 1e-2).score()
    assert len(option.profile) == len(GRID)
    for at in (0, 1, 20, 41):
        expected = float(bench.by_hand(_nercc(1e-4, GRID[at]), _in_study(design)).mse.mean())
        assert option.profile[at] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("metric", ["prob_mse", "agreement", "rel_acc", "pareto"])
def test_the_profile_is_of_the_error_that_goes_with_the_goal(metric: Metric) -> None:
    bench = Bench(goal=Goal(metric=metric))
    for space in DECODE_SPACES:
        design = Design(decode_space=space)
        option = bench.evaluator.option(design, 1e-4, 0.0)
        scores = [bench.evaluator.metrics(design, 1e-4, smoothing).score() for smoothing in GRID[::20]]
        assert option.profile[::20] == pytest.approx([score.prob_mse for score in scores], rel=1e-4)


@pytest.mark.parametrize("design", DESIGNS, ids=PROFILED)
def test_the_best_is_not_beaten_by_any_smoothing_of_the_grid(design: Design) -> None:
    bench = Bench(arrivals=ARRIVALS["a random count"])
    readings: tuple[Reading, ...] = (design.reading,)
    (best,) = bench.evaluator.best(design.encoding(1e-5), readings)
    assert len(best.profile) == len(GRID)
    assert best.profile == pytest.approx(bench.evaluator.option(design, 1e-5, 0.0).profile, rel=1e-6)
    assert best.score.mse <= min(best.profile) * (1 + 1e-4)
    assert best.score == bench.evaluator.metrics(design, 1e-5, best.lambda_dec).score()


@pytest.mark.parametrize("goal", [Goal(metric="agreement"), Goal(min_agreement=0.6), Goal(metric="rel_acc")])
def test_the_best_by_another_goal_is_not_beaten_either(goal: Goal) -> None:
    bench = Bench(goal=goal)
    for space in DECODE_SPACES:
        (best,) = bench.evaluator.best(Encoding(lambda_enc=1e-5), (("identity", space, "spline"),))
        tried = [bench.evaluator.metrics(Design(decode_space=space), 1e-5, value).score() for value in GRID]
        assert goal.rank(best.score) <= min(goal.rank(score) for score in tried)


def test_readings_come_best_first_and_cost_no_forward() -> None:
    bench = Bench(goal=Goal(metric="prob_mse"))
    readings: tuple[Reading, ...] = tuple(
        (a, space, "spline") for a in ("identity", "interleaved") for space in DECODE_SPACES
    )
    encoding = Encoding(ordering="projection", nodes="uniform", lambda_enc=1e-4)
    alone = [bench.evaluator.best(encoding, (reading,))[0] for reading in readings]
    forwards = bench.outputs.forwards
    together = bench.evaluator.best(encoding, readings)
    assert bench.outputs.forwards == forwards == 2  # that of the plain queries and that of the encoder
    assert set(together) == set(alone)
    errors = [option.score.prob_mse for option in together]
    assert errors == sorted(errors)
    assert len(set(errors)) == 4  # in probabilities, to decode logits is the same whether a softmax follows or not


def _of_groups(metrics: MaskedMetrics, groups: slice) -> Score:
    return MaskedMetrics(
        mse=metrics.mse[groups],
        prob_mse=metrics.prob_mse[groups],
        accuracy=metrics.accuracy[groups],
        agreement=metrics.agreement[groups],
        uncoded_accuracy=metrics.uncoded_accuracy[groups],
    ).score()


@pytest.mark.parametrize("design", DESIGNS, ids=PROFILED)
def test_a_block_is_evaluated_on_its_groups_alone(design: Design) -> None:
    bench = Bench(blocks=3, arrivals=ARRIVALS["a random count"])
    readings: tuple[Reading, ...] = (design.reading,)
    everything = Bench(arrivals=ARRIVALS["a random count"]).evaluator
    for block, groups in enumerate(bench.outputs.blocks):
        (best,) = bench.evaluator.best(design.encoding(1e-4), readings, block=block)
        whole = _of_groups(everything.metrics(design, 1e-4, best.lambda_dec), groups)
        assert best.score.mse == pytest.approx(whole.mse, rel=1e-4)
        assert best.score.agreement == pytest.approx(whole.agreement, rel=1e-12)
        assert best.score.rel_acc == pytest.approx(whole.rel_acc, rel=1e-12)


def _evaluations(bench: Bench) -> Sequence[Callable[[], object]]:
    def best(lambda_enc: float) -> Callable[[], tuple[Option, ...]]:
        return lambda: bench.evaluator.best(Encoding(lambda_enc=lambda_enc), (("identity", "probabilities", "spline"),))

    def option(lambda_enc: float, lambda_dec: float) -> Callable[[], Option]:
        return lambda: bench.evaluator.option(Design(), lambda_enc, lambda_dec)

    return (best(0.0), option(0.0, 1e-3), option(0.0, 1.0), best(1e-3), option(1e-3, 0.0), best(0.0))


def test_only_a_new_encoder_runs_the_model() -> None:
    bench = Bench()
    ran = []
    for evaluate in _evaluations(bench):
        evaluate()
        ran.append(sum(bench.model.seen))
    assert ran == [56, 56, 56, 92, 92, 92]  # 20 plain queries, and 36 coded ones for each encoder
    for name in ("nercc_ag", "replication", "uncoded"):
        bench.evaluator.baseline_metrics(name)
    assert sum(bench.model.seen) == 92
    bench.evaluator.baseline_metrics("bacc")
    assert sum(bench.model.seen) == 128
    assert set(bench.timings.seconds) == {"encode", "forward", "decode"}


@pytest.mark.parametrize("assignment", ["identity", "interleaved"])
def test_degrees_of_freedom_are_the_mean_over_the_masks(assignment: str) -> None:
    for arrivals in ARRIVALS.values():
        design = Design(assignment=assignment, rack=3)
        code = GroupCode(_nercc(0.0, 1e-2), queries=5, workers=9, placement=Placement.of(design))
        inner = NerccCode(NODES, lambda_enc=0.0, lambda_dec=1e-2)
        each = [inner.df_dec(code.position[torch.from_numpy(mask)].sort().values) for mask in arrivals.arrived]
        assert Bench(arrivals=arrivals).evaluator.df_dec(design, 0.0, 1e-2) == pytest.approx(np.mean(each), rel=1e-8)


def test_waiting_is_the_mean_over_the_masks() -> None:
    assert Bench().evaluator.waiting is None
    model = FirstArrivals(latency=ShiftedExponential(workers=9, shift=1.0, rate=2.0))
    arrivals = model.draw(3, masks=5, seed=0)
    assert arrivals.waiting is not None
    assert Bench(arrivals=arrivals).evaluator.waiting == pytest.approx(float(arrivals.waiting.mean()), rel=1e-12)
