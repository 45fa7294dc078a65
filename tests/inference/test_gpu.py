"""The GPU against the CPU: the same answers, real memory, and no time lost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from nercc_tune.coding import MIXERS, BerrutCode, NerccCode, TrainedCode, node_set
from nercc_tune.inference import (
    DrawnGroups,
    ForwardEngine,
    Groups,
    OutputStore,
    SplineDecoder,
    Truth,
    WorkerOutputs,
    describe_device,
    resolve_device,
    room_on,
)
from nercc_tune.inference.decoders.lambda_search import minimise_curve
from nercc_tune.launch.pipeline import launch
from nercc_tune.records import Design
from nercc_tune.records.timings import Timings
from nercc_tune.splines import smoothing_matrix
from tests.fakes import loader, tiny_home, tiny_spec, tiny_workload
from tests.inference.fakes import exactly

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

NODES = node_set("chebyshev", queries=8, workers=20)
ENCODER = BerrutCode(NODES).encoder_matrix
MEMORY_SHARE = 0.1


class Hungry(nn.Module):
    """Takes a third of the memory that it may use for each query."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, batch: Tensor) -> Tensor:
        batch.new_empty(len(batch), self.numbers)
        return batch.flatten(1)[:, :2]


def _convnet() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(256, 10),
        )


def _queries(groups: int, *shape: int) -> Tensor:
    return torch.randn(groups, 8, *shape, generator=torch.Generator().manual_seed(1))


# float32 differs by the order of its sums; TF32 keeps 10 bits of a factor (1e-3) and bfloat16 seven (8e-3), and
# three layers add up a few of these errors.
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("tf32", 2e-2), ("bf16", 6e-2)])
def test_answers_are_those_of_the_cpu(precision: str, tolerance: float) -> None:
    queries = _queries(3, 3, 16, 16)
    expected = ForwardEngine(_convnet(), device=torch.device("cpu")).run(queries, ENCODER, Timings())
    engine = ForwardEngine(_convnet(), device=torch.device("cuda"), precision=precision)
    answers = engine.run(queries, ENCODER, Timings())
    assert (answers.device.type, answers.dtype) == ("cuda", torch.float32)
    assert float((answers.cpu() - expected).abs().max()) <= tolerance * float(expected.abs().max())


def test_parity_workers_answer_as_on_the_cpu() -> None:
    queries = _queries(3, 3, 16, 16)
    mixer = MIXERS["addition"].build(queries=8, parities=2, shape=(3, 16, 16))
    code = TrainedCode(queries=8, workers=10, mixer=mixer, parity_networks=(_convnet(), _convnet()))
    near, far = (
        ForwardEngine(_convnet(), device=torch.device(device), chunk=16).run_parities(queries, code, Timings())
        for device in ("cpu", "cuda")
    )
    assert (far.device.type, far.dtype) == ("cuda", torch.float32)
    assert float((far.cpu() - near).abs().max()) <= 1e-4 * float(near.abs().max())


def test_a_chunk_that_does_not_fit_into_the_memory_is_halved() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(MEMORY_SHARE, device)
    room = MEMORY_SHARE * torch.cuda.get_device_properties(device).total_memory - torch.cuda.memory_reserved(device)
    queries = _queries(1, 4)
    try:
        engine = ForwardEngine(Hungry(int(room / 3 / 4)), device=device, chunk=20)
        answers = engine.run(queries, ENCODER, Timings())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()
    # 20 → 10 → 5 → 3 → 2: three thirds leave no room for anything else.
    assert engine.chunk in (1, 2)
    expected = torch.einsum("nk,gkc->gnc", ENCODER.float(), queries)[..., :2]
    torch.testing.assert_close(answers.cpu(), expected, rtol=1e-4, atol=1e-4)


def _outputs(folder: Path | None = None, *, device_mb: int = 16) -> tuple[WorkerOutputs, OutputStore]:
    store = OutputStore(folder, memory_mb=16, device_mb=device_mb)
    groups = Groups(queries=_queries(3, 3, 16, 16), labels=torch.zeros(3, 8, dtype=torch.int64), key="drawn")
    engine = ForwardEngine(_convnet(), device=torch.device("cuda"))
    return WorkerOutputs(groups, engine=engine, store=store, timings=Timings()), store


def test_answers_stay_on_the_gpu_wherever_they_were_kept(tmp_path: Path) -> None:
    outputs, store = _outputs(tmp_path)
    answers = outputs.of(ENCODER)
    assert {kept.device.type for kept in store._memory.values()} == {"cuda"}
    found, _ = _outputs(tmp_path)
    assert torch.equal(found.of(ENCODER), answers)
    assert (found.forwards, found.of(ENCODER).device.type, found.uncoded().device.type) == (0, "cuda", "cuda")


def test_answers_without_room_on_the_gpu_move_to_the_memory_of_the_cpu() -> None:
    outputs, store = _outputs(device_mb=0)
    answers = outputs.of(ENCODER)
    outputs.of(ENCODER[1:])
    assert [kept.device.type for kept in store._memory.values()] == ["cpu", "cuda"]
    assert torch.equal(outputs.of(ENCODER.clone()), answers)


def test_truths_lie_beside_the_answers() -> None:
    outputs, _ = _outputs()
    design = Design(ordering="nearest-neighbour", nodes="chord-length")
    drawn = DrawnGroups(outputs, reference=Design(), workers=20, features=None, timings=Timings())
    truth = drawn.truth(design, "logits-softmax")
    assert {truth.outputs.device.type, truth.labels.device.type, truth.accuracy.device.type} == {"cuda"}
    assert torch.equal(truth.labels.cpu(), outputs.groups.labels)


def test_a_warm_up_finds_the_chunk_that_fits_and_counts_no_image() -> None:
    engine, timings = ForwardEngine(_convnet(), device=torch.device("cuda")), Timings()
    engine.warm_up((3, 16, 16), queries=8, workers=20, timings=timings)
    assert (engine.images, set(timings.seconds)) == (0, {"warm-up"})
    assert timings.seconds["warm-up"] > 0


def test_there_is_room_on_the_gpu_but_not_all_of_it() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    assert 0 < room_on(device) < torch.cuda.get_device_properties(device).total_memory / 2
    queries = _queries(1, 4)
    assert ForwardEngine(_convnet(), device=device).resident(queries).device == device


def test_a_whole_study_gives_the_baselines_of_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    tables = {}
    for device in ("cpu", "cuda"):
        (tmp_path / device).mkdir()
        tables[device] = launch(tiny_spec(f"workload.device={device}"), tiny_home(tmp_path / device)).table
    assert tables["cuda"].provenance.device.startswith("cuda: ")
    for near, far in zip(tables["cpu"].entries, tables["cuda"].entries, strict=True):
        for name in ("bacc", "nercc_ag", "replication"):
            expected = near.baselines[name].prob_mse.mean
            # A model whose weights multiply the rounding of float32 by about a hundred, and errors that are squared.
            assert far.baselines[name].prob_mse.mean == pytest.approx(expected, rel=1e-2, abs=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler, which Triton needs")
def test_a_compiled_model_gives_the_same_answers() -> None:
    queries = _queries(3, 3, 16, 16)
    plain, compiled = (
        ForwardEngine(_convnet(), device=torch.device("cuda"), is_compiled=is_compiled) for is_compiled in (False, True)
    )
    compiled.warm_up((3, 16, 16), queries=8, workers=20, timings=Timings())
    expected = plain.run(queries, ENCODER, Timings())
    difference = (compiled.run(queries, ENCODER, Timings()) - expected).abs().max()
    assert float(difference) <= 1e-3 * float(expected.abs().max())


def test_splines_codes_and_profiles_stay_on_the_device_of_their_data() -> None:
    on_gpu = smoothing_matrix(NODES.beta.cuda(), NODES.alpha, 1e-4)
    assert on_gpu.device.type == "cuda"
    torch.testing.assert_close(on_gpu.cpu(), smoothing_matrix(NODES.beta, NODES.alpha, 1e-4), rtol=0, atol=1e-10)
    code = NerccCode(NODES, lambda_enc=0.0, lambda_dec=1e-4)
    queries = _queries(1, 5)[0]
    coded = code.encode(queries.cuda())
    estimates = code.decode(coded[2:], range(2, 20))
    assert (coded.device.type, estimates.device.type) == ("cuda", "cuda")
    # Products of 20 float32 numbers; the weights of this decoder are below 10.
    torch.testing.assert_close(estimates.cpu(), code.decode(code.encode(queries)[2:], range(2, 20)), rtol=0, atol=1e-3)


def _mean(curve: Callable[[Tensor], Tensor], smoothing: Tensor) -> Tensor:
    return curve(smoothing).mean(0)


def test_answers_from_the_gpu_are_profiled_like_any_others() -> None:
    queries = _queries(3, 3, 16, 16)
    decoder = SplineDecoder(NODES, exactly(5, workers=20, masks=4, seed=0))
    grid = (0.0, 1e-8, 1e-4, 1.0)
    profiles = []
    for device in ("cpu", "cuda"):
        engine = ForwardEngine(_convnet(), device=torch.device(device))
        plain = engine.run(queries, torch.eye(8, dtype=torch.float64), Timings())
        labels = torch.zeros(3, 8, dtype=torch.int64, device=device)
        truth = Truth.of(plain, labels, decode_space="logits")
        answers = engine.run(queries, ENCODER, Timings())
        curve = decoder.error_curve(answers, truth)
        profiles.append(minimise_curve(partial(_mean, curve), grid)[1])
    assert profiles[1] == pytest.approx(profiles[0], rel=1e-2)


def test_the_device_is_found_and_named() -> None:
    assert resolve_device("auto").type == "cuda"
    assert describe_device(resolve_device("cuda")) == f"cuda: {torch.cuda.get_device_name()}"


def _best_seconds(work: Callable[[], object], *, repeats: int = 3) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@pytest.mark.slow
def test_a_warm_engine_keeps_the_bare_models_speed_but_for_a_twentieth() -> None:
    chunk, groups = 256, 40
    encoder = BerrutCode(node_set("chebyshev", queries=8, workers=32)).encoder_matrix
    queries = _queries(groups, 3, 224, 224)
    model = timm.create_model("vit_base_patch16_224", pretrained=False).eval()
    engine = ForwardEngine(model, device=torch.device("cuda"), precision="bf16", chunk=chunk)
    engine.warm_up((3, 224, 224), queries=8, workers=32, timings=Timings())
    at_hand = engine.resident(queries)
    bare = model.to(device="cuda", dtype=torch.bfloat16)
    batch = torch.randn(chunk, 3, 224, 224, device="cuda", dtype=torch.bfloat16)

    def run_bare() -> None:
        with torch.inference_mode():
            for _ in range(groups * 32 // chunk):
                bare(batch)

    plain = _best_seconds(run_bare)
    coded = _best_seconds(lambda: engine.run(at_hand, encoder, Timings()))
    images = groups * 32
    assert images / coded >= 0.95 * images / plain, f"{images / coded:.0f} against {images / plain:.0f} images/s"
