from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import node_set
from nercc_tune.inference import DrawnGroups, ForwardEngine, OutputStore, WorkerOutputs
from nercc_tune.inference.stale import stale_network
from nercc_tune.records import DECODE_SPACES, DecodeSpace, Design, ErrorKind
from nercc_tune.records.timings import Timings
from tests.inference.fakes import Counting, draw_groups

ORDERED = Design(ordering="nearest-neighbour", nodes="chord-length")

_STALE = ((0.1, 7), (2.0, 7))


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


@pytest.mark.parametrize("lambda_enc", [0.0, 1e-3])
@pytest.mark.parametrize("design", [Design(nodes="systematic"), ORDERED])
def test_stale_answers_are_those_of_a_model_with_stale_weights(design: Design, lambda_enc: float) -> None:
    timings, device = Timings(), torch.device("cpu")
    networks = {f"stale-{scale:g}#{seed}": stale_network(Counting(), scale, seed=seed) for scale, seed in _STALE}
    engine = ForwardEngine(Counting(), device=device, networks=networks)
    store = OutputStore(None, memory_mb=16)
    outputs = WorkerOutputs(draw_groups(), engine=engine, store=store, timings=timings)
    drawn = DrawnGroups(outputs, reference=Design(), workers=9, features=None, timings=timings)
    encoding = design.encoding(lambda_enc)
    right = drawn.answers(encoding)
    for scale, seed in _STALE:
        own = ForwardEngine(stale_network(Counting(), scale, seed=seed), device=device)
        alone = WorkerOutputs(draw_groups(), engine=own, store=OutputStore(None, memory_mb=16), timings=timings)
        expected = DrawnGroups(alone, reference=Design(), workers=9, features=None, timings=timings).answers(encoding)
        found = drawn.stale(encoding, ErrorKind.of(f"stale-{scale:g}"))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
        assert not torch.allclose(found, right, rtol=1e-2)
    forwards = outputs.forwards
    assert drawn.stale(encoding, ErrorKind.of("stale-2")) is found
    other = design.encoding(0.1)
    assert not torch.equal(drawn.stale(other, ErrorKind.of("stale-2")), found)
    assert torch.equal(drawn.stale(encoding, ErrorKind.of("stale-2")), found)
    assert outputs.forwards == forwards + 1
    assert torch.equal(drawn.answers(encoding), right)


def test_stale_answers_of_a_network_that_is_not_run_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`kind` must be one whose network is run here, but got 'stale-2'\."):
        _drawn().stale(Design().encoding(0.1), ErrorKind.of("stale-2"))
