from __future__ import annotations

import pytest
import torch

from nercc_tune.errors import SpecError
from nercc_tune.inference import ForwardEngine, describe_device, resolve_device
from nercc_tune.inference.device import matmul_precision
from nercc_tune.records.timings import Timings
from tests.inference.fakes import Counting, draw_groups


def _settings() -> tuple[object, object]:
    cudnn = torch.backends.cudnn
    return torch.backends.cuda.matmul.fp32_precision, cudnn.conv.fp32_precision  # type: ignore[attr-defined]  # no stub


def test_the_cpu_and_whatever_there_is() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert describe_device(torch.device("cpu")) == "cpu"


@pytest.mark.parametrize("name", ["teapot", "cuda:77", ""])
def test_a_device_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=rf'`workload.device` must be "auto", "cpu" .* but got {name!r}: \S') as caught:
        resolve_device(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("precision", "chosen"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")])
def test_the_precision_of_products_is_set_inside_and_restored(precision: str, chosen: str) -> None:
    before = _settings()
    with matmul_precision(precision):
        assert _settings() == (chosen, chosen)
    assert _settings() == before


def test_the_precision_is_restored_after_an_error() -> None:
    before = _settings()
    with pytest.raises(KeyError, match="lost"), matmul_precision("tf32"):
        raise KeyError("lost")
    assert _settings() == before


def test_the_engine_leaves_the_precision_as_it_was() -> None:
    before = _settings()
    engine = ForwardEngine(Counting(), device=torch.device("cpu"), precision="tf32")
    engine.run(draw_groups().queries, torch.eye(5, dtype=torch.float64), Timings())
    assert _settings() == before
