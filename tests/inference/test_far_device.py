"""Answers stay where they were made, on a device whose tensors do not mix with those of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from nercc_tune.coding import MIXERS, BerrutCode, ReplicationCode, TrainedCode, build_output_decoder, node_set
from nercc_tune.inference import (
    DrawnGroups,
    ForwardEngine,
    OutputStore,
    Reports,
    TrainedCodes,
    TrainingOutcome,
    WorkerOutputs,
)
from nercc_tune.inference.decoders import TrainedDecoder
from nercc_tune.records import DECODE_SPACES, DecodeSpace, Design, Training
from nercc_tune.records.timings import Timings
from tests.fakes import AXES, CLASSES, tiny_inference, tiny_model, tiny_spec
from tests.far_device import FAR, FarTensor, far_device
from tests.inference.fakes import Counting, draw_groups

CPU = torch.device("cpu")
ENCODER = BerrutCode(node_set("chebyshev", queries=5, workers=7)).encoder_matrix
ORDERED = Design(ordering="nearest-neighbour", nodes="chord-length")


@pytest.fixture(autouse=True)
def _far() -> Iterator[None]:
    with far_device():
        yield


def _outputs(device: torch.device, folder: Path | None = None, *, blocks: int = 1) -> WorkerOutputs:
    store = OutputStore(folder, memory_mb=1)
    engine = ForwardEngine(Counting(), device=device)
    return WorkerOutputs(draw_groups(), engine=engine, store=store, timings=Timings(), blocks=blocks)


def _is_same(far: Tensor, near: Tensor) -> bool:
    return far.device == FAR and torch.equal(far.cpu(), near)


def test_tensors_of_two_devices_do_not_mix() -> None:
    far = torch.ones(2).to(FAR)
    with pytest.raises(RuntimeError, match="on the CPU and on another device"):
        far + torch.ones(2)
    assert float((far + 1.0).cpu().sum()) == 4.0


def test_answers_are_those_of_the_cpu_and_stay() -> None:
    networks = ["base", "parity", "base", "base", "parity", "base", "parity"]
    runs = []
    for device in (FAR, CPU):
        engine = ForwardEngine(Counting(), device=device, networks={"parity": Counting()}, chunk=6)
        runs.append([engine.run(draw_groups().queries, ENCODER, Timings(), networks=of) for of in (None, networks)])
    assert all(_is_same(far, near) for far, near in zip(*runs, strict=True))


class _Drawn(TrainedCodes):
    """Gives a code whose networks are as they were drawn."""

    def __init__(self, code: TrainedCode) -> None:
        self._code = code

    @override
    def check_queries(self) -> None: ...

    @override
    def of(self, training: Training) -> TrainedCode:
        return self._code

    @override
    def train(self, training: Training, report: Reports) -> TrainingOutcome:
        return TrainingOutcome(epochs=(), is_complete=True)


def _trained(mixer: str, network: nn.Module, *, shape: tuple[int, ...], outputs: int) -> TrainedCode:
    """Return a code of 5 queries and 2 parity workers, which run a network, or the base model for a decoder."""
    kind = MIXERS[mixer]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mix = kind.build(queries=5, parities=2, shape=shape)
        decoder = build_output_decoder(queries=5, parities=2, outputs=outputs) if kind.is_trained else None
    networks = () if kind.is_trained else (network, network)
    return TrainedCode(queries=5, workers=7, mixer=mix, parity_networks=networks, decoder=decoder)


@pytest.mark.parametrize("mixer", ["addition", "mlp"])
def test_trained_codes_answer_and_decode_where_the_queries_are_run(mixer: str) -> None:
    code, found = _trained(mixer, Counting(), shape=(3, 2, 2), outputs=3), []
    batches = [torch.tensor([[0, 1, 2, 3, 5], [1, 2, 4, 5, 6], [0, 1, 2, 3, 5]]), torch.tensor([[0, 2, 3, 4, 5, 6]])]
    for device in (FAR, CPU):
        answers = _outputs(device).of_trained(code)
        decoding = TrainedDecoder(code, batches).prepare(answers)
        found.append([answers, *decoding.estimates(0.0)])
    assert all(_is_same(far, near) for far, near in zip(*found, strict=True))


def test_kept_answers_are_where_they_are_wanted_wherever_they_were_kept(tmp_path: Path) -> None:
    encoders = ENCODER, torch.eye(5, dtype=torch.float64), ReplicationCode(queries=5, workers=7).encoder_matrix
    near = _outputs(CPU)
    for far in (_outputs(FAR, tmp_path), _outputs(FAR, tmp_path)):  # computed, then from files
        for _ in range(2):
            assert all(_is_same(far.of(encoder), near.of(encoder)) for encoder in encoders)
        assert _is_same(far.uncoded(), near.uncoded())
    assert far.forwards == 0


def test_so_are_the_answers_of_a_block() -> None:
    far, near = _outputs(FAR, blocks=3), _outputs(CPU, blocks=3)
    assert all(_is_same(far.of_block(ENCODER, block), near.of_block(ENCODER, block)) for block in range(3))


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_the_truth_follows_the_answers(space: DecodeSpace) -> None:
    far, near = (
        DrawnGroups(_outputs(device), reference=Design(), workers=7, features=None, timings=Timings()).truth(
            ORDERED, space
        )
        for device in (FAR, CPU)
    )
    assert _is_same(far.outputs, near.outputs)
    assert _is_same(far.probabilities, near.probabilities)
    assert _is_same(far.labels, near.labels)
    assert _is_same(far.accuracy, near.accuracy)


def test_what_is_recorded_of_a_workload_holds_no_device() -> None:
    inference = tiny_inference(tiny_spec())
    far = replace(inference, engine=ForwardEngine(inference.workload.model, device=FAR))
    assert far.workload_info(far.draw("tuning")) == inference.workload_info(inference.draw("tuning"))


def test_memory_of_the_device_is_used_first_and_then_that_of_the_cpu(tmp_path: Path) -> None:
    store = OutputStore(tmp_path, memory_mb=2, device_mb=1)
    for key in ("a1", "b2", "c3", "d4"):
        store.put(key, torch.full((2**17,), float(ord(key[0]))).to(FAR))  # half a MB each
    assert {key: kept.device.type for key, kept in store._memory.items()} == {
        "a1": "cpu",
        "b2": "cpu",
        "c3": "meta",
        "d4": "meta",
    }
    found = store.get("a1", device=FAR)
    assert isinstance(found, FarTensor)
    assert bool((found.cpu() == ord("a")).all())
    assert [key for key, kept in store._memory.items() if kept.device == FAR] == ["d4", "a1"]
    for key in ("e5", "f6", "g7"):
        store.put(key, torch.zeros(2**18).to(FAR))
    assert [kept.device.type for kept in store._memory.values()] == ["cpu", "cpu", "meta"]
    again = OutputStore(tmp_path, memory_mb=2).get("b2")
    assert again is not None
    assert (again.device, float(again[0])) == (CPU, ord("b"))


def test_one_that_is_too_large_for_the_device_stays_until_the_next() -> None:
    store = OutputStore(None, memory_mb=1, device_mb=0)
    store.put("a", torch.zeros(2**19).to(FAR))
    assert store._memory["a"].device == FAR
    store.put("b", torch.zeros(1).to(FAR))
    assert list(store._memory) == ["b"]


@pytest.mark.parametrize("decoder", ["spline", "kriging", "calibrated"])
def test_decoding_and_scoring_follow_the_answers(decoder: str) -> None:
    near = tiny_inference(tiny_spec(f'search.decoders=["{decoder}"]'))
    far = replace(near, engine=ForwardEngine(near.workload.model, device=FAR))
    spec, found = near.spec, []
    for inference in (near, far):
        evaluator = inference.draw("tuning").evaluators[2]
        best = evaluator.best(spec.encodings[0], spec.readings)[0]
        baselines = [evaluator.baseline_metrics(name).score() for name in ("bacc", "nercc_ag", "replication")]
        found.append([best.score, *baselines])
    assert found[0] == found[1]


@pytest.mark.parametrize(("kind", "mixer"), [("parity", "addition"), ("learned", "mlp")])
def test_so_does_scoring_of_trained_codes(kind: str, mixer: str) -> None:
    spec = tiny_spec(f"code={{kind='{kind}', queries=5, workers=7, stragglers=[1, 2]}}")
    code, found = _trained(mixer, tiny_model(), shape=(AXES,), outputs=CLASSES), []
    for device in (CPU, FAR):
        inference = tiny_inference(spec)
        engine = ForwardEngine(inference.workload.model, device=device)
        evaluators = replace(inference, engine=engine, trained=_Drawn(code)).draw("tuning").evaluators
        found.append([evaluators[count].best(spec.encodings[0], spec.readings)[0].score for count in (1, 2)])
    assert found[0] == found[1]
