from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.answering import ask

_IMAGES = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class _Model(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, queries: Tensor) -> Tensor:
        return self.function(queries)


def _conv() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5)).eval()


def _fail(error: Exception) -> Callable[[Tensor], Tensor]:
    def fail(_: Tensor) -> Tensor:
        raise error

    return fail


def _export(model: nn.Module, example: Tensor, *, is_dynamic: bool = False) -> nn.Module:
    shapes = ({0: torch.export.Dim("batch")},) if is_dynamic else None
    return torch.export.export(model, (example,), dynamic_shapes=shapes).module()


_EXPECTS = r"check which channels, size and type of queries it expects\.$"


@pytest.mark.parametrize(
    ("model", "name", "match"),
    [
        (
            _export(_conv(), torch.zeros(8, 3, 8, 8)),
            "m.pt2",
            r"\[0\] == 8\); export a program with a dynamic batch axis\.$",
        ),
        (_export(_conv(), torch.zeros(2, 3, 8, 8), is_dynamic=True), "m.pt2", rf"Guard failed: .*== 3\); {_EXPECTS}"),
        (_conv(), "mine:build", rf"to have 3 channels, but got 1 channels instead\); {_EXPECTS}"),
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 4)), "mine:build", rf"cannot be multiplied .*\); {_EXPECTS}"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4)).train(),
            "mine:build",
            r"when training.*\); it is in training mode: export it after `model\.eval\(\)`\.$",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).half(),
            "m.pt",
            r"dtype.*\); its weights must be float32: export it after `model\.float\(\)`\.$",
        ),
        (
            _Model(lambda x: x.reshape(8, -1, 16).mean(1)[:, :4] + x.new_zeros(len(x) // 8 * 8, 4)),
            "mine:build",
            "let its `f",
        ),
        (
            _Model(lambda x: x.reshape(8, -1, 16).mean(1)[:, :4] + x.new_zeros(len(x) // 8 * 8, 4)),
            "m.pt",
            "dynamic batch ax",
        ),
        (_Model(_fail(KeyError("x"))), "mine:build", rf"\('x'\); {_EXPECTS}"),
        (_Model(_fail(ZeroDivisionError())), "mine:build", rf"\(ZeroDivisionError\); {_EXPECTS}"),
    ],
    ids=[
        "batch",
        "guard-of-channels",
        "channels",
        "size",
        "training",
        "half",
        "view",
        "view-of-a-program",
        "key",
        "empty",
    ],
)
def test_the_advice_is_for_the_cause(model: nn.Module, name: str, match: str) -> None:
    with pytest.raises(WorkloadError, match=match) as caught:
        ask(model, _IMAGES, model_name=name)
    assert str(caught.value).startswith(
        f"`{name}` must answer any number of queries of shape (1, 8, 8), but fails on 1 ("
    )
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")  # the test writes what users still have
def test_the_reason_of_a_script_is_its_last_line(tmp_path: Path) -> None:
    torch.jit.script(_conv()).save(str(tmp_path / "m.pt"))
    model = torch.jit.load(str(tmp_path / "m.pt"))
    with pytest.raises(WorkloadError, match=rf"fails on 1 \(RuntimeError: .*to have 3 channels.*\); {_EXPECTS}"):
        ask(model, _IMAGES, model_name="m.pt")
