from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, GroupCode, KrigingCode, LinearCode, NerccCode, NodeSet, Placement
from nercc_tune.inference import (
    AvailabilityMeter,
    CellEvaluator,
    DrawnGroups,
    ForwardEngine,
    MaskedAvailability,
    OutputStore,
    WorkerOutputs,
)
from nercc_tune.inference.calibration import Calibration
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.records import Cell, Design, Goal, Kernel
from nercc_tune.records.timings import Timings
from nercc_tune.straggling import Arrivals, Independent
from tests.inference.fakes import Counting, draw_groups

WORKERS, QUERIES, GROUPS = 12, 5, 4
ARRIVALS = Independent(workers=WORKERS, probability=0.4).draw(masks=7, seed=1)
DESIGNS = (
    Design(rack=3),
    Design(nodes="systematic", ordering="nearest-neighbour", rack=3),
    Design(nodes="systematic", assignment="interleaved", rack=3, decode_space="logits-softmax"),
    Design(nodes="copies-2", ordering="projection", assignment="interleaved", rack=3),
    Design(nodes="chord-length", ordering="nearest-neighbour", rack=3, decode_space="logits"),
)
KERNEL = Kernel(range=0.8)


class Bench:
    """A meter on fixed draws, and the model that answered."""

    def __init__(self, reference: Design, *, arrivals: Arrivals = ARRIVALS) -> None:
        self.model, self.arrivals, self.timings = Counting(), arrivals, Timings()
        engine = ForwardEngine(self.model, device=torch.device("cpu"))
        store = OutputStore(None, memory_mb=16)
        self.outputs = WorkerOutputs(draw_groups(), engine=engine, store=store, timings=self.timings)
        workers = arrivals.arrived.shape[1]
        drawn = DrawnGroups(self.outputs, reference=reference, workers=workers, features=None, timings=self.timings)
        cell = Cell(
            study="bench", model="counting", data="", queries=5, workers=workers, stragglers=3, fewest=3, weight=1.0
        )
        self.evaluator = CellEvaluator(
            cell, CellMasks(arrivals), drawn=drawn, calibration=Calibration(drawn), goal=Goal(), grid=(0.0, 1e-4)
        )
        self.meter = AvailabilityMeter(self.evaluator)
        with torch.inference_mode():
            self.plain = torch.stack([Counting()(queries) for queries in self.outputs.groups.queries])

    @property
    def labels(self) -> Tensor:
        return self.outputs.groups.labels

    def by_hand(self, build: Callable[[NodeSet], LinearCode], design: Design) -> tuple[list[float], list[list[int]]]:
        """Serve each group: its accuracy when all answer, and for each mask how many are degraded and then right."""
        code = GroupCode(build, queries=QUERIES, workers=WORKERS, placement=Placement.of(design))
        whole, counts = [], []
        most_first = np.argsort(self.arrivals.stragglers, kind="stable")
        for group, queries in enumerate(self.outputs.groups.queries):
            placed = code.on(queries)
            with torch.inference_mode():
                answers = Counting()(placed.encode(queries))
            sent = answers.softmax(-1) if design.decode_space == "probabilities" else answers
            everybody = torch.ones(WORKERS, dtype=torch.bool)
            whole.append(float(self._is_right(placed.decode(sent.double(), everybody), group).double().mean()))
            for mask in torch.from_numpy(self.arrivals.arrived[most_first]):
                is_right = self._is_right(placed.decode(sent[mask].double(), mask), group)
                is_copy = (placed.encoder_matrix - torch.eye(QUERIES)[:, None]).abs().amax(-1) < 1e-12  # [K, N]
                lost = [not bool((copies & mask).any()) and not bool(mask.all()) for copies in is_copy]
                counts.append(
                    [sum(lost), sum(hit for hit, is_lost in zip(is_right.tolist(), lost, strict=True) if is_lost)]
                )
        return whole, counts

    def _is_right(self, estimates: Tensor, group: int) -> Tensor:
        return estimates.argmax(-1) == self.labels[group]


def _assert_same(found: MaskedAvailability, expected: tuple[list[float], list[list[int]]]) -> None:
    whole, counts = expected
    assert found.available.tolist() == pytest.approx(whole, rel=1e-12)
    assert (QUERIES * found.degraded).flatten().tolist() == pytest.approx([lost for lost, _ in counts])
    assert (QUERIES * found.right).flatten().tolist() == pytest.approx([right for _, right in counts])
    assert found.workers == WORKERS


def _nercc(lambda_enc: float, lambda_dec: float) -> Callable[[NodeSet], LinearCode]:
    return lambda nodes: NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.label)
def test_a_code_is_measured_as_it_is_served(design: Design) -> None:
    for enc, dec in ((0.0, 0.0), (0.0, 1e-2), (1e-3, 1e-3)):
        bench = Bench(design)
        _assert_same(bench.meter.of(design, enc, dec), bench.by_hand(_nercc(enc, dec), design))


def test_a_kriging_decoder_is_measured_as_it_is_served() -> None:
    design = Design(nodes="copies-2", ordering="projection", decoder="kriging")
    bench = Bench(design)
    expected = bench.by_hand(lambda nodes: KrigingCode(nodes, lambda_enc=0.0, kernel=KERNEL), design)
    _assert_same(bench.meter.of(design, 0.0, KERNEL), expected)


@pytest.mark.parametrize("name", BASELINE_CODES)
def test_a_baseline_is_measured_as_it_is_served(name: str) -> None:
    for design in DESIGNS:
        bench = Bench(design)
        _assert_same(bench.meter.of_baseline(name), bench.by_hand(BASELINE_CODES[name], design))


@pytest.mark.parametrize("nodes", ["systematic", "copies-1", "copies-2"])
def test_where_all_answer_a_systematic_code_is_the_uncoded_model(nodes: str) -> None:
    bench = Bench(Design(nodes=nodes))
    uncoded = (bench.plain.argmax(-1) == bench.labels).double().mean(-1)
    assert torch.equal(bench.meter.of(Design(nodes=nodes), 0.0, 0.0).available, uncoded)
    assert torch.equal(bench.meter.of(Design(nodes=nodes, decoder="kriging"), 0.0, KERNEL).available, uncoded)
    for name in ("bacc", "replication", "uncoded", "default"):
        assert torch.equal(bench.meter.of_baseline(name).available, uncoded)


def _one_lost_of_five() -> Bench:
    return Bench(Design(), arrivals=Arrivals(arrived=~np.eye(5, dtype=np.bool_)))


def test_without_a_code_a_lost_query_gets_the_mean_of_the_others() -> None:
    bench = _one_lost_of_five()
    found = bench.meter.of_baseline("uncoded")
    outputs = bench.plain.softmax(-1)
    right = [
        [
            outputs[group, [k for k in range(5) if k != lost]].mean(0).argmax() == bench.labels[group, lost]
            for lost in range(5)
        ]
        for group in range(GROUPS)
    ]
    assert (5 * found.right).tolist() == [[float(hit) for hit in row] for row in right]
    assert (found.degraded == 1 / 5).all()
    assert found.carriers == (0, 5)


def test_the_default_prediction_is_right_where_the_label_is_the_first() -> None:
    bench = _one_lost_of_five()
    found = bench.meter.of_baseline("default")
    assert (5 * found.right).tolist() == (bench.labels == 0).double().tolist()
    assert 0 < float(found.right.sum()) < float(found.degraded.sum())


def test_where_nobody_is_missing_nothing_is_degraded() -> None:
    bench = Bench(Design(), arrivals=Arrivals(arrived=np.ones((3, WORKERS), dtype=np.bool_)))
    for found in (bench.meter.of(Design(), 1e-4, 1e-4), bench.meter.of_baseline("bacc")):
        assert not found.degraded.any()
        assert not found.right.any()


def test_the_model_runs_for_no_code_that_it_has_answered() -> None:
    bench = Bench(DESIGNS[1])
    bench.evaluator.metrics(DESIGNS[1], 1e-3, 1e-3)
    for name in BASELINE_CODES:
        bench.evaluator.baseline_metrics(name)
    ran = sum(bench.model.seen)
    bench.meter.of(DESIGNS[1], 1e-3, 1e-3)
    for name in BASELINE_CODES:
        bench.meter.of_baseline(name)
    assert sum(bench.model.seen) == ran
