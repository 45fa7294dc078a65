from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.coding import MIXERS, BerrutCode, TrainedCode, build_output_decoder, node_set
from nercc_tune.errors import OutputError
from nercc_tune.inference import ForwardEngine, forward
from nercc_tune.records.timings import Timings
from tests.inference.fakes import Counting, draw_groups

CPU = torch.device("cpu")
ENCODER = BerrutCode(node_set("chebyshev", queries=5, workers=7)).encoder_matrix
QUERIES = draw_groups().queries


class Answering(nn.Module):
    """Returns what a function makes of the batch."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, batch: Tensor) -> object:
        return self.answer(batch)


def _expected(model: nn.Module) -> Tensor:
    coded = torch.einsum("nk,gkabc->gnabc", ENCODER.float(), QUERIES)
    with torch.inference_mode():
        return torch.stack([model(group) for group in coded])


def _run(model: nn.Module, *, chunk: int | None = None, precision: str = "fp32") -> tuple[Tensor, ForwardEngine]:
    engine = ForwardEngine(model, device=CPU, precision=precision, chunk=chunk)
    return engine.run(QUERIES, ENCODER, Timings()), engine


# 28 coded queries: one at a time, across groups, whole groups, several groups, all, more than there are.
@pytest.mark.parametrize("chunk", [1, 3, 5, 7, 14, 15, 28, 100, None])
def test_the_answers_do_not_depend_on_the_chunks(chunk: int | None) -> None:
    model = Counting()
    answers, engine = _run(model, chunk=chunk)
    assert (answers.shape, answers.dtype) == ((4, 7, 3), torch.float32)
    assert engine.chunk == chunk
    assert max(model.seen) <= (chunk or 28)
    assert sum(model.seen) == 28
    # Products of 12 numbers of size 3 in float32, summed in an order that depends on the batch size.
    torch.testing.assert_close(answers, _expected(Counting()), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("largest", "room", "chunk"), [(6, 2**21, 6), (8192, 60, 5), (8192, 3, 1)])
def test_without_a_chunk_it_is_as_large_as_there_is_room_for_its_numbers(
    largest: int, room: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_LARGEST_CHUNK", largest)
    monkeypatch.setitem(forward._CHUNK_NUMBERS, "cpu", room)
    model = Counting()
    answers, engine = _run(model)
    assert engine.chunk is None
    assert max(model.seen) == chunk
    torch.testing.assert_close(answers, _expected(Counting()), rtol=1e-5, atol=1e-4)


def test_it_counts_coded_queries() -> None:
    answers, engine = _run(Counting(), chunk=5)
    assert engine.images == 28
    engine.run(QUERIES[:1], ENCODER[:2], Timings())
    assert engine.images == 30
    assert not answers.requires_grad


def test_it_times_encoding_and_the_model_apart() -> None:
    timings = Timings()
    ForwardEngine(Counting(), device=CPU).run(QUERIES, ENCODER, timings)
    assert set(timings.seconds) == {"encode", "forward"}


# 28 queries in one batch: 28 → 14 → 7 → 4 fit a limit of 4 to 6; the halves round up.
@pytest.mark.parametrize(("limit", "chunk"), [(27, 14), (14, 14), (13, 7), (6, 4), (3, 2), (1, 1)])
def test_a_chunk_that_does_not_fit_is_halved_for_good(limit: int, chunk: int) -> None:
    model = Counting(limit=limit)
    answers, engine = _run(model)
    assert engine.chunk == chunk
    torch.testing.assert_close(answers, _expected(Counting()), rtol=1e-5, atol=1e-4)
    model.seen.clear()
    engine.run(QUERIES, ENCODER, Timings())
    assert sum(model.seen) == 28
    assert max(model.seen) == chunk


def test_later_batches_of_the_same_run_keep_to_the_halved_chunk() -> None:
    model = Counting(limit=5)
    answers, engine = _run(model, chunk=8)
    assert engine.chunk == 4
    assert sum(model.seen) == 28
    assert max(model.seen) == 4
    torch.testing.assert_close(answers, _expected(Counting()), rtol=1e-5, atol=1e-4)


def test_a_query_that_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(OutputError, match="one query does not fit into the memory of cpu"):
        _run(Counting(limit=0))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda batch: batch, r"one row for each of 28 queries, but got shape \(28, 3, 2, 2\)"),
        (lambda batch: batch.flatten(1)[:-1], r"one row for each of 28 queries, but got shape \(27, 12\)"),
        (lambda batch: batch.sum(), r"one row for each of 28 queries, but got shape \(\)"),
        (lambda batch: (batch.flatten(1),), "one row for each of 28 queries, but got tuple"),
    ],
)
def test_answers_that_are_no_rows_of_numbers_are_an_error(answer: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(OutputError, match=message):
        _run(Answering(answer))


def test_the_model_runs_in_evaluation_mode_on_a_copy() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(12)).train()
    first, _ = _run(model)
    second, _ = _run(model)
    assert torch.equal(first, second)
    assert model.training
    assert int(model[2].num_batches_tracked) == 0  # type: ignore[arg-type]  # a buffer; nn.Module says Tensor | Module


def test_bf16_runs_the_model_in_bfloat16_and_answers_in_float32() -> None:
    model = Counting()
    answers, engine = _run(model, precision="bf16")
    assert answers.dtype == torch.float32
    expected = _expected(Counting())
    # bfloat16 has eight bits: 0.4 % a factor, and less after the sum over twelve products.
    assert float((answers - expected).abs().max()) <= 2e-2 * float(expected.abs().max())
    assert not torch.equal(answers, expected)
    assert next(model.parameters()).dtype == torch.float32
    assert next(engine._networks["base"].parameters()).dtype == torch.bfloat16


def test_each_worker_runs_the_network_that_is_named() -> None:
    parity = Counting()
    with torch.no_grad():
        parity.linear.weight.mul_(-2)
    engine = ForwardEngine(Counting(), device=CPU, networks={"parity": parity})
    names = ["base", "parity", "base", "base", "parity", "base", "parity"]
    answers = engine.run(QUERIES, ENCODER, Timings(), networks=names)
    base, other = _expected(Counting()), _expected(parity)
    expected = torch.stack([(other if name == "parity" else base)[:, n] for n, name in enumerate(names)], dim=1)
    torch.testing.assert_close(answers, expected, rtol=1e-5, atol=1e-4)
    assert engine.images == 28
    assert torch.equal(
        engine.run(QUERIES, ENCODER, Timings(), networks=["base"] * 7), engine.run(QUERIES, ENCODER, Timings())
    )


def test_the_model_is_the_base_whatever_else_is_called_so() -> None:
    engine = ForwardEngine(Counting(), device=CPU, networks={"base": Counting(outputs=2)})
    assert engine.run(QUERIES, ENCODER, Timings()).shape == (4, 7, 3)


def _parity_code(mixer: str = "addition", *, limit: int | None = None) -> TrainedCode:
    """Return a code of 5 queries and 2 parity workers, each with a network of its own or, if learned, with none."""
    kind = MIXERS[mixer]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mix = kind.build(queries=5, parities=2, shape=(3, 2, 2))
        decoder = build_output_decoder(queries=5, parities=2, outputs=3) if kind.is_trained else None
    networks = [Counting(limit=limit) for _ in range(0 if kind.is_trained else 2)]
    for scale, network in enumerate(networks, start=2):
        network.linear.weight.data *= scale
    return TrainedCode(queries=5, workers=7, mixer=mix, parity_networks=networks, decoder=decoder)


def _by_hand(code: TrainedCode) -> Tensor:
    """Run each parity worker's network on what the mixer makes of each group."""
    rows = []
    with torch.inference_mode():
        for group in QUERIES:
            parities = code.encode(group)[5:]
            networks = code.parity_networks or [Counting()] * 2
            rows.append(torch.stack([network(one[None])[0] for network, one in zip(networks, parities, strict=True)]))
    return torch.stack(rows)


@pytest.mark.parametrize("mixer", ["addition", "mlp", "conv"])
@pytest.mark.parametrize("chunk", [1, 4, 5, 10, 15, 100, None])
def test_parity_workers_answer_as_their_networks_do_whatever_the_chunk(mixer: str, chunk: int | None) -> None:
    code, model = _parity_code(mixer), Counting()
    engine, timings = ForwardEngine(model, device=CPU, chunk=chunk), Timings()
    answers = engine.run_parities(QUERIES, code, timings)
    seen = model.seen if code.decoder is not None else [size for one in code.parity_networks for size in one.seen]  # type: ignore[union-attr]
    assert (answers.shape, answers.dtype, engine.images) == ((4, 2, 3), torch.float32, 8)
    assert (sum(seen), max(seen)) == (8, min(4, max(1, (chunk or 100) // 5)))
    assert not answers.requires_grad
    assert set(timings.seconds) == {"encode", "forward"}
    torch.testing.assert_close(answers, _by_hand(code), rtol=1e-5, atol=1e-4)


def test_parity_queries_that_do_not_fit_are_run_in_halves() -> None:
    code = _parity_code(limit=1)
    engine = ForwardEngine(Counting(), device=CPU)
    answers = engine.run_parities(QUERIES, code, Timings())
    assert engine.chunk == 1
    torch.testing.assert_close(answers, _by_hand(code), rtol=1e-5, atol=1e-4)


def test_parity_networks_run_in_evaluation_mode_on_copies() -> None:
    code = _parity_code()
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(12), nn.Linear(12, 3)).train()
    code = replace(code, parity_networks=(network, network))
    engine = ForwardEngine(Counting(), device=CPU, precision="bf16")
    first, second = (engine.run_parities(QUERIES, code, Timings()) for _ in range(2))
    assert torch.equal(first, second)
    assert first.dtype == next(network.parameters()).dtype == torch.float32
    assert network.training
    assert int(network[2].num_batches_tracked) == 0  # type: ignore[arg-type]  # a buffer; nn.Module says Tensor | Module


def test_a_warm_up_runs_every_network_once_and_counts_for_itself() -> None:
    model, parity, timings = Counting(), Counting(), Timings()
    engine = ForwardEngine(model, device=CPU, networks={"parity": parity}, chunk=5)
    engine.warm_up((3, 2, 2), queries=5, workers=7, timings=timings)
    assert (model.seen, parity.seen) == ([2], [2])
    assert (engine.images, engine.chunk) == (0, 5)
    assert set(timings.seconds) == {"warm-up"}
    torch.testing.assert_close(engine.run(QUERIES, ENCODER, Timings()), _expected(Counting()), rtol=1e-5, atol=1e-4)


def test_a_network_that_gives_no_rows_is_found_by_the_warm_up() -> None:
    engine = ForwardEngine(Answering(lambda batch: batch.sum()), device=CPU)
    with pytest.raises(OutputError, match="one row for each of 2 queries"):
        engine.warm_up((3, 2, 2), queries=5, workers=7, timings=Timings())
