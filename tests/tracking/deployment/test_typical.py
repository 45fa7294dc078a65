"""Deployed codes that look at what right answers look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nercc_tune.errors import TableError
from nercc_tune.export.attachments import Attachments
from nercc_tune.records import Distrust
from nercc_tune.serving import ServedTable, load_table
from nercc_tune.tracking.deployment.deployed import DeployedCode
from nercc_tune.tracking.deployment.packaging import save_coded_model
from nercc_tune.tracking.deployment.promotion import promote
from tests.served import screening_table, typical_of

pytestmark = [
    # MLflow about its own type hints and ours, wherever a model is loaded.
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
]

# Residuals alone would accuse nobody here: what is beyond their level is beyond any number.
DISTRUST = Distrust(kind="residuals", level=1e6, most=3, typical=60.0)
TYPICAL = typical_of(outputs=10)
TABLE = screening_table(DISTRUST, TYPICAL)
SERVED = ServedTable(TABLE, Attachments(typical={TYPICAL.digest: TYPICAL}))
QUERIES = np.random.default_rng(0).random((50, 1, 32, 32), dtype=np.float32)
ARRIVED = np.random.default_rng(1).permutation(200)[:165]
WRONG = tuple(sorted(int(worker) for worker in ARRIVED[[3, 70, 150]]))


@pytest.fixture(scope="module")
def received() -> dict[str, Any]:
    """Return a group with the answers that arrived, three of which have the sign turned."""
    answers = np.eye(10, dtype=np.float32)[(ARRIVED >= 90).astype(int)]
    answers[[3, 70, 150]] *= -1
    return {"queries": QUERIES, "answers": answers, "arrived": ARRIVED}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the policy as a model, in its folder."""
    return save_coded_model(SERVED, DeployedCode.of(TABLE), tmp_path_factory.mktemp("saved"))


def test_a_model_carries_what_it_looks_at(folder: Path) -> None:
    names = {path.name for path in (folder / "artifacts").iterdir()}
    assert names == {"table.json", "table-typical.safetensors"}
    assert set(load_table(folder / "artifacts" / "table.json").attachments.typical) == {TYPICAL.digest}


def test_a_model_distrusts_what_is_not_typical(folder: Path, received: dict[str, Any]) -> None:
    import mlflow.pyfunc  # noqa: PLC0415 - after `silent`

    decoded = mlflow.pyfunc.load_model(str(folder)).predict(received, params={"return_suspects": True})
    group = SERVED.policy().on(torch.from_numpy(QUERIES))
    answers = torch.from_numpy(received["answers"])
    estimates, suspects = group.decode(answers, torch.from_numpy(ARRIVED), return_suspects=True)
    assert suspects == WRONG
    np.testing.assert_array_equal(decoded["suspects"], np.array(WRONG, np.int64), strict=True)
    np.testing.assert_array_equal(decoded["estimates"], estimates.numpy(), strict=True)


@pytest.mark.parametrize("stragglers", [None, 20])
def test_a_table_that_was_read_without_them_is_not_promoted(stragglers: int | None, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(TableError, match="the table's typical answers were not read with it"):
        promote(TABLE, url=url, artifacts=tmp_path / "artifacts", stragglers=stragglers, force=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stragglers", [None, 20])
def test_a_code_is_read_from_its_tags_with_its_bound(stragglers: int | None) -> None:
    code = DeployedCode.of(TABLE, stragglers=stragglers)
    assert DeployedCode.from_tags(code.tags()) == code
    assert {distrust.typical for distrust in code.distrusts.values()} == {60.0}
