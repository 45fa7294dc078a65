from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import node_set
from nercc_tune.inference import DrawnGroups, ForwardEngine, OutputStore, WorkerOutputs
from nercc_tune.records import DECODE_SPACES, DecodeSpace, Design
from nercc_tune.records.timings import Timings
from tests.inference.fakes import Counting, draw_groups

ORDERED = Design(ordering="nearest-neighbour", nodes="chord-length")


def _drawn(reference: Design | None = None, *, blocks: int = 1) -> DrawnGroups:
    timings = Timings()
    engine = ForwardEngine(Counting(), device=torch.device("cpu"))
    store = OutputStore(None, memory_mb=16)
    outputs = WorkerOutputs(draw_groups(), engine=engine, store=store, timings=timings, blocks=blocks)
    return DrawnGroups(outputs, reference=reference or Design(), workers=9, features=None, timings=timings)


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_the_truth_is_in_the_order_of_the_nodes(space: DecodeSpace) -> None:
    drawn = _drawn()
    order = drawn.layout(ORDERED).order
    assert order is not None
    truth = drawn.truth(ORDERED, space)
    logits, labels = drawn.outputs.uncoded(), drawn.outputs.groups.labels
    for group in range(4):
        assert torch.equal(truth.labels[group], labels[group, order[group]])
        expected = logits[group, order[group]]
        torch.testing.assert_close(truth.probabilities[group], expected.softmax(-1))
        outputs = expected if space == "logits" else expected.softmax(-1)
        torch.testing.assert_close(truth.outputs[group], outputs)  # the softmax sums in another order
    assert truth.decode_space == space
    assert torch.equal(truth.accuracy, drawn.truth(Design(), space).accuracy)


def test_without_an_order_the_truth_is_that_of_arrival() -> None:
    drawn = _drawn()
    assert torch.equal(drawn.truth(Design(), "logits").outputs, drawn.outputs.uncoded())
    assert torch.equal(drawn.truth(Design(), "logits").labels, drawn.outputs.groups.labels)


def test_layouts_and_truths_are_made_once() -> None:
    drawn = _drawn()
    assert drawn.layout(ORDERED) is drawn.layout(ORDERED.encoding(1e-3))
    assert drawn.layout(ORDERED) is not drawn.layout(Design())
    assert drawn.truth(ORDERED, "logits") is drawn.truth(ORDERED.encoding(0.1), "logits")
    assert drawn.truth(ORDERED, "logits") is not drawn.truth(ORDERED, "probabilities")


def test_the_power_of_the_distances_is_that_of_the_study() -> None:
    flat, steep = (_drawn(Design(chord_power=power)).layout(ORDERED).nodes.alpha for power in (0.0, 1.0))
    torch.testing.assert_close(flat, node_set("uniform", queries=5, workers=9).alpha, rtol=0, atol=1e-12)
    assert not torch.allclose(steep.diff(), steep.diff()[:, :1].expand(-1, 4), rtol=0.01)


def test_a_block_holds_the_answers_of_its_groups() -> None:
    drawn = _drawn(blocks=3)
    encoding = ORDERED.encoding(1e-3)
    parts = [drawn.answers(encoding, block=block) for block in range(3)]
    assert [len(part) for part in parts] == [1, 1, 2]
    forwards = drawn.outputs.forwards
    assert torch.equal(drawn.answers(encoding), torch.cat(parts))
    assert drawn.outputs.forwards == forwards
    torch.testing.assert_close(torch.cat(parts), _drawn().answers(encoding), rtol=1e-5, atol=1e-4)
