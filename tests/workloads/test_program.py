from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.program import load_program


def _build() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Dropout(0.5)).eval()


def test_an_exported_program_answers_any_number_of_queries(tmp_path: Path) -> None:
    model = _build()
    dynamic = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(model, (torch.zeros(2, 6),), dynamic_shapes=dynamic), tmp_path / "model.pt2")
    loaded = load_program(tmp_path / "model.pt2")
    for count in (1, 2, 5):
        queries = torch.arange(6.0 * count).view(count, 6)
        assert torch.equal(loaded(queries), model(queries))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # the test writes what users still have
def test_a_script_is_loaded_in_evaluation_mode(tmp_path: Path) -> None:
    model = _build()
    torch.jit.script(model.train()).save(str(tmp_path / "model.pt"))
    loaded = load_program(tmp_path / "model.pt")
    assert not loaded.training
    queries = torch.arange(12.0).view(2, 6)
    assert torch.equal(loaded(queries), model.eval()(queries))


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_another_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(
        WorkloadError,
        match=r"^`model` must be a TorchScript \(\.pt\) or torch\.export \(\.pt2\) file, but .*model.* is neither; "
        r"a weights file belongs in `checkpoint`\.$",
    ):
        load_program(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataMissingError, match=r"^`model` must be a registered model, .* but there is none at .*absent\.pt2\.$"
    ):
        load_program(tmp_path / "absent.pt2")
