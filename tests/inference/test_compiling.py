from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.coding import BerrutCode, node_set
from nercc_tune.errors import WorkloadError
from nercc_tune.home import Home
from nercc_tune.inference import ForwardEngine
from nercc_tune.inference.compiling import compile_network
from nercc_tune.launch.pipeline import launch
from nercc_tune.records.timings import Timings
from tests.fakes import finished_home, loader, tiny_model, tiny_spec, tiny_workload
from tests.inference.fakes import draw_groups

COMPILER = shutil.which("g++") or shutil.which("clang++")
QUERIES = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))


class CountingBackend:
    """Compiles nothing, and counts how often it is asked."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        self.graphs += 1
        forward: Callable[..., Any] = graph.forward
        return forward


def _fail(_graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> Callable[..., Any]:
    raise RuntimeError("no such instruction\nat address 0")


@pytest.fixture(autouse=True)
def _forget_graphs() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_one_graph_serves_batches_of_all_sizes() -> None:
    model, backend = tiny_model(), CountingBackend()
    network = compile_network(model, backend=backend)
    for size in (2, 9, 5, 3, 8):
        answers = network(QUERIES[:size])
        assert isinstance(answers, Tensor)
        torch.testing.assert_close(answers, model(QUERIES[:size]))
    assert backend.graphs == 1
    network(QUERIES[:1])
    assert backend.graphs == 2


def test_what_cannot_be_compiled_is_said_in_one_line() -> None:
    with pytest.raises(WorkloadError, match=r"^`workload\.compile` needs .* \(.*no such instruction.*\); .*$") as error:
        compile_network(tiny_model(), backend=_fail)(QUERIES)
    assert "\n" not in str(error.value)


class Branching(nn.Module):
    """Looks at its numbers before it decides what to do with them."""

    def forward(self, batch: Tensor) -> Tensor:
        return batch if float(batch.sum()) > 0 else -batch


def test_a_model_that_would_be_compiled_in_parts_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"^`workload\.compile` needs .*data-dependent"):
        compile_network(Branching(), backend=CountingBackend())(QUERIES)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_refused_before_it_is_called() -> None:
    script = torch.jit.trace(tiny_model(), QUERIES)
    with pytest.raises(WorkloadError, match=r"exported program .*, but got TorchScript; leave `compile` out\.$"):
        compile_network(script)


def test_a_launch_that_cannot_compile_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    monkeypatch.setattr("nercc_tune.inference.forward.compile_network", partial(compile_network, backend=_fail))
    home = Home(tmp_path / "home")
    with pytest.raises(WorkloadError, match=r"leave `compile` out\.$"):
        launch(tiny_spec("workload.compile=true"), home)
    assert not home.root.exists()


def test_a_study_may_be_compiled_from_one_launch_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    backend = CountingBackend()
    monkeypatch.setattr("nercc_tune.inference.forward.compile_network", partial(compile_network, backend=backend))
    home = finished_home(tmp_path)
    again = launch(tiny_spec("workload.compile=true"), home)
    assert again.forwards["tuning"] == 0
    assert backend.graphs == 1  # at the warm-up


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
def test_compiled_answers_are_those_of_the_model() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 3)).eval()
    encoder = BerrutCode(node_set("chebyshev", queries=5, workers=7)).encoder_matrix
    plain, compiled = (
        ForwardEngine(model, device=torch.device("cpu"), is_compiled=is_compiled) for is_compiled in (False, True)
    )
    compiled.warm_up((3, 2, 2), queries=5, workers=7, timings=Timings())
    answers = compiled.run(draw_groups().queries, encoder, Timings())
    # Sums of 12 float32 numbers in another order.
    torch.testing.assert_close(answers, plain.run(draw_groups().queries, encoder, Timings()), rtol=1e-5, atol=1e-5)
