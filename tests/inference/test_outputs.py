from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.coding import BerrutCode, NerccCode, ReplicationCode, UncodedCode, node_set
from nercc_tune.errors import OutputError
from nercc_tune.inference import ForwardEngine, Groups, OutputStore, WorkerOutputs
from nercc_tune.inference.stale import stale_network
from nercc_tune.records.timings import Timings
from tests.inference.fakes import Counting, draw_groups

NODES = node_set("chebyshev", queries=5, workers=7)
ENCODER = BerrutCode(NODES).encoder_matrix


class Overflowing(nn.Module):
    """Answers with NaN where a query's first number is above a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, batch: Tensor) -> Tensor:
        rows = batch.flatten(1)[:, :2].clone()
        rows[rows[:, 0] > self.limit] = math.nan
        return rows


def _outputs(
    model: nn.Module | None = None, *, folder: Path | None = None, groups: Groups | None = None
) -> WorkerOutputs:
    engine = ForwardEngine(model or Counting(), device=torch.device("cpu"))
    store = OutputStore(folder, memory_mb=16)
    return WorkerOutputs(groups or draw_groups(), engine=engine, store=store, timings=Timings())


def test_answers_are_the_models_outputs_on_coded_queries() -> None:
    outputs = _outputs()
    coded = torch.einsum("nk,gk...->gn...", ENCODER.float(), outputs.groups.queries)
    with torch.inference_mode():
        expected = torch.stack([Counting()(group) for group in coded])
        plain = torch.stack([Counting()(group) for group in outputs.groups.queries])
    torch.testing.assert_close(outputs.of(ENCODER), expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(outputs.uncoded(), plain, rtol=1e-5, atol=1e-4)


def test_one_pass_serves_every_later_question_about_an_encoder() -> None:
    model = Counting()
    outputs = _outputs(model)
    first = outputs.of(ENCODER)
    assert (outputs.forwards, outputs.reused, sum(model.seen)) == (1, 0, 28)
    assert torch.equal(outputs.of(ENCODER.clone()), first)
    assert (outputs.forwards, outputs.reused, sum(model.seen)) == (1, 1, 28)
    outputs.of(NerccCode(NODES, lambda_enc=1e-9, lambda_dec=0.0).encoder_matrix)
    outputs.of(NerccCode(NODES, lambda_enc=1e-9, lambda_dec=5.0).encoder_matrix)
    assert (outputs.forwards, outputs.reused, sum(model.seen)) == (2, 2, 56)


def test_plain_queries_in_any_arrangement_need_one_pass_together() -> None:
    model = Counting()
    outputs = _outputs(model)
    plain = outputs.uncoded()
    assert sum(model.seen) == 20
    replicated = outputs.of(ReplicationCode(queries=5, workers=7).encoder_matrix)
    idle = outputs.of(UncodedCode(queries=5, workers=7).encoder_matrix)
    assert (outputs.forwards, sum(model.seen)) == (1, 20)
    assert torch.equal(replicated, plain[:, [0, 1, 2, 3, 4, 0, 1]])
    assert torch.equal(idle[:, :5], plain)
    assert torch.equal(idle[:, 5:], torch.zeros(4, 2, 3))


def test_a_row_that_adds_queries_is_no_plain_query() -> None:
    outputs = _outputs()
    outputs.of(torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]], dtype=torch.float64))
    with torch.inference_mode():
        expected = Counting()(outputs.groups.queries[:, 0] + outputs.groups.queries[:, 1])
    found = outputs.of(torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-5, atol=1e-4)


def test_after_a_restart_the_folder_answers(tmp_path: Path) -> None:
    before = _outputs(folder=tmp_path)
    answers, plain = before.of(ENCODER), before.uncoded()
    model = Counting()
    after = _outputs(model, folder=tmp_path)
    assert torch.equal(after.of(ENCODER), answers)
    assert torch.equal(after.uncoded(), plain)
    assert (after.forwards, after.reused, model.seen) == (0, 2, [])


def test_other_groups_and_other_shapes_are_other_outputs(tmp_path: Path) -> None:
    _outputs(folder=tmp_path).of(ENCODER)
    others = _outputs(folder=tmp_path, groups=draw_groups(key="others"))
    others.of(ENCODER)
    assert others.forwards == 1
    reshaped = _outputs(folder=tmp_path, groups=draw_groups(queries=7))
    reshaped.of(ENCODER.reshape(5, 7))
    assert reshaped.forwards == 1


def test_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    answers = _outputs(folder=tmp_path).of(ENCODER)
    (file,) = tmp_path.rglob("*.outputs")
    file.write_bytes(file.read_bytes()[:-1])
    after = _outputs(folder=tmp_path)
    assert torch.equal(after.of(ENCODER), answers)
    assert after.forwards == 1


def test_answers_that_are_not_finite_are_counted() -> None:
    outputs = _outputs(Overflowing(2.0))
    coded = torch.einsum("nk,gk...->gn...", ENCODER.float(), outputs.groups.queries).flatten(2)
    bad = int((coded[..., 0] > 2).sum())
    assert bad > 0
    for _ in range(2):
        with pytest.raises(
            OutputError, match=f"the model's outputs on coded queries must be finite, but {bad} of 28 are not"
        ):
            outputs.of(ENCODER)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_plain_outputs_that_are_not_finite_are_an_error(value: float) -> None:
    model = Counting()
    model.linear.bias.data[1] = value
    with pytest.raises(OutputError, match="the model's outputs on plain queries must be finite, but 20 of 20 are not"):
        _outputs(model).of(UncodedCode(queries=5, workers=7).encoder_matrix)


def test_answers_of_another_network_are_kept_apart() -> None:
    other = Counting(features=12, outputs=3)
    with torch.no_grad():
        other.linear.bias.add_(1.0)
    engine = ForwardEngine(Counting(), device=torch.device("cpu"), networks={"parity": other})
    groups, store = draw_groups(), OutputStore(None, memory_mb=16)
    outputs = WorkerOutputs(groups, engine=engine, store=store, timings=Timings())
    plain, names = torch.eye(5, dtype=torch.float64), ["base"] * 4 + ["parity"]
    base, mixed = outputs.of(plain), outputs.of(plain, networks=names)
    torch.testing.assert_close(mixed[:, :4], base[:, :4], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(mixed[:, 4], base[:, 4] + 1.0, rtol=1e-5, atol=1e-4)
    assert (outputs.forwards, outputs.reused) == (2, 0)
    assert torch.equal(outputs.of(plain, networks=names), mixed)
    assert torch.equal(outputs.of(plain, networks=["base"] * 5), base)
    assert outputs.forwards == 2


def test_a_network_whose_answers_are_not_finite_is_named() -> None:
    other = Counting()
    other.linear.bias.data[0] = math.inf
    engine = ForwardEngine(Counting(), device=torch.device("cpu"), networks={"stale-9#0": other})
    outputs = WorkerOutputs(draw_groups(), engine=engine, store=OutputStore(None, memory_mb=16), timings=Timings())
    assert outputs.networks == ("stale-9#0", "base")
    with pytest.raises(OutputError, match="the outputs of stale-9#0 on coded queries must be finite, but 28 of 28"):
        outputs.of(ENCODER, networks=["stale-9#0"] * 7)


def test_stale_answers_of_other_seeds_are_kept_apart(tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        networks = {f"stale-1#{seed}": stale_network(Counting(), 1.0, seed=seed)}
        engine = ForwardEngine(Counting(), device=torch.device("cpu"), networks=networks)
        store = OutputStore(tmp_path, memory_mb=16)
        outputs = WorkerOutputs(draw_groups(), engine=engine, store=store, timings=Timings())
        found += [outputs.of(ENCODER), outputs.of(ENCODER, networks=[f"stale-1#{seed}"] * 7)]
        assert outputs.forwards == 2 - seed  # the right answers are kept already
    assert torch.equal(found[0], found[2])
    assert not torch.allclose(found[1], found[3], rtol=1e-2)
    assert not torch.allclose(found[1], found[0], rtol=1e-2)
