from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.home import Home
from nercc_tune.inference import stale_networks
from nercc_tune.launch.preparation import Preparation
from nercc_tune.records import ErrorKind
from tests.fakes import loader, tiny_model, tiny_spec, tiny_workload

CODE = "code={ queries = 3, workers = 12, stragglers = [2] }"
ERRORS = ("search.strategy=profile", "errors.count=1", 'errors.kinds=["stale-0.5"]', "evaluation.seed=7")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))


def test_a_study_without_stale_weights_runs_its_model_alone(tmp_path: Path) -> None:
    loaded = Preparation(spec=tiny_spec(), home=Home(tmp_path)).load()
    assert loaded.engine.networks == ("base",)


def test_studies_of_a_family_share_networks_with_stale_weights(tmp_path: Path) -> None:
    spec = tiny_spec(CODE, *ERRORS)
    loaded = Preparation(spec=spec, home=Home(tmp_path)).load()
    assert loaded.engine.networks == ("stale-0.5#7", "base")
    wider = tiny_spec(CODE.replace("12", "15"), *ERRORS)
    beside = Preparation(spec=wider, home=Home(tmp_path)).load_beside(loaded)
    for inference, workers in ((loaded, 12), (beside, 15)):
        draws = inference.draw("tuning")
        encoding = inference.spec.reference.encoding(1e-3)
        found = draws.groups.stale(encoding, ErrorKind.of("stale-0.5"))
        assert found.shape[1] == workers
        network = stale_networks(spec, tiny_model())["stale-0.5#7"]
        encoder = draws.groups.layout(encoding).encoder(encoding.lambda_enc)
        with torch.inference_mode():
            expected = network(encoder.float() @ draws.groups.outputs.groups.queries)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_model_without_weights_has_no_stale_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload(nn.Flatten())))
    with pytest.raises(WorkloadError, match="stale weights need a model whose parameters can be changed"):
        Preparation(spec=tiny_spec(CODE, *ERRORS), home=Home(tmp_path)).load()
