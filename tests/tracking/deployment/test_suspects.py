"""Deployed codes that distrust answers."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nercc_tune.errors import TableError
from nercc_tune.records import Design, Distrust, Distrusting, Kernel
from nercc_tune.serving import ServedTable, Suspicions
from nercc_tune.tracking.deployment.deployed import DeployedCode
from nercc_tune.tracking.deployment.note import deployment_note, write_decoding
from nercc_tune.tracking.deployment.packaging import save_coded_model
from tests.builders import tuned_table
from tests.served import distrusting_table, nodal

pytestmark = [
    # MLflow about its own type hints and ours, wherever a model is loaded.
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
]

DISTRUST = Distrust(kind="residuals", level=4.0, most=3, scale=1e-3)
KERNEL = Kernel(range=2.0, nugget=1e-3)
FITTED = Design(ordering="nearest-neighbour", nodes="chord-length", decode_space="logits-softmax")
TABLE = distrusting_table(DISTRUST, design=FITTED)
QUERIES = np.random.default_rng(0).random((50, 1, 32, 32), dtype=np.float32)
ARRIVED = np.random.default_rng(1).permutation(200)[:165]
WRONG = tuple(sorted(int(worker) for worker in ARRIVED[[3, 70, 150]]))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the policy as a model, loaded from its folder."""
    import mlflow.pyfunc  # noqa: PLC0415 - after `silent`

    folder = tmp_path_factory.mktemp("saved")
    return mlflow.pyfunc.load_model(str(save_coded_model(ServedTable(TABLE), DeployedCode.of(TABLE), folder)))


@pytest.fixture(scope="module")
def received() -> dict[str, Any]:
    """Return a group with the answers that arrived, three of which are wrong."""
    answers = np.linspace(0, 1, 200, dtype=np.float32)[ARRIVED][:, None] * np.ones(10, np.float32)
    answers[[3, 70, 150]] -= 9
    return {"queries": QUERIES, "answers": answers, "arrived": ARRIVED}


def _expected(received: dict[str, Any]) -> tuple[Any, tuple[int, ...]]:
    group = nodal(ServedTable(TABLE).policy()).on(torch.from_numpy(QUERIES))
    estimates, suspects = group.decode(
        torch.from_numpy(received["answers"]), torch.from_numpy(ARRIVED), return_suspects=True
    )
    return estimates.numpy(), suspects


def test_a_model_says_whose_answers_it_distrusts(model: Any, received: dict[str, Any]) -> None:
    estimates, suspects = _expected(received)
    assert suspects == WRONG
    decoded = model.predict(received, params={"return_suspects": True})
    assert set(decoded) == {"estimates", "suspects"}
    np.testing.assert_array_equal(decoded["estimates"], estimates, strict=True)
    np.testing.assert_array_equal(decoded["suspects"], np.array(WRONG, np.int64), strict=True)
    suspicions = Suspicions(200, false_alarms=0.001)
    suspicions.record(ARRIVED, decoded["suspects"])
    assert tuple(record.worker for record in suspicions.counts if record.suspicions) == WRONG


@pytest.mark.parametrize("params", [None, {}, {"return_suspects": False}])
def test_by_default_a_model_returns_the_estimates_alone(
    model: Any, received: dict[str, Any], params: dict[str, Any] | None
) -> None:
    np.testing.assert_array_equal(model.predict(received, params=params), _expected(received)[0], strict=True)


def test_suspects_go_over_rest(model: Any, received: dict[str, Any]) -> None:
    from mlflow.pyfunc.scoring_server import predictions_to_json  # noqa: PLC0415 - after `silent`

    lists = {name: array.tolist() for name, array in received.items()}
    text = io.StringIO()
    decoded = model.predict(lists, params={"return_suspects": True})
    predictions_to_json(decoded, text)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
    said = json.loads(text.getvalue())["predictions"]
    assert said["suspects"] == list(WRONG)
    np.testing.assert_allclose(said["estimates"], _expected(received)[0], atol=1e-6)


def test_answers_that_are_not_finite_are_suspects_without_a_warning(model: Any, received: dict[str, Any]) -> None:
    spoilt = received["answers"].copy()
    spoilt[9, 5] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = model.predict({**received, "answers": spoilt}, params={"return_suspects": True})
    assert decoded["suspects"].tolist() == sorted([*WRONG, int(ARRIVED[9])])
    assert np.isfinite(decoded["estimates"]).all()


def test_too_many_answers_that_are_not_finite_are_refused(model: Any, received: dict[str, Any]) -> None:
    spoilt = received["answers"].copy()
    spoilt[:9] = np.nan
    with pytest.raises(TableError, match="must be from 157 to 200 workers, but got 156; answers that hold a NaN"):
        model.predict({**received, "answers": spoilt}, params={"return_suspects": True})


def test_there_are_no_suspects_without_answers(model: Any) -> None:
    with pytest.raises(ValueError, match="`return_suspects` must come with `answers` and `arrived`, but there are"):
        model.predict({"queries": QUERIES}, params={"return_suspects": True})


def test_the_signature_names_the_parameter(model: Any) -> None:
    (param,) = model.metadata.signature.params.params
    assert (param.name, param.default) == ("return_suspects", False)


@pytest.mark.parametrize("stragglers", [None, 20])
@pytest.mark.parametrize("kernel", [None, KERNEL], ids=["spline", "kriging"])
def test_a_code_is_read_from_its_tags_with_its_distrust(kernel: Kernel | None, stragglers: int | None) -> None:
    table = distrusting_table(DISTRUST, kernel=kernel)
    code = DeployedCode.of(table, stragglers=stragglers)
    assert DeployedCode.from_tags(code.tags()) == code
    trusting = 1e-8 if kernel is None else kernel
    expected = Distrusting(trusting=trusting, distrust=DISTRUST)
    assert code.parameters == dict.fromkeys((20, 40) if stragglers is None else (20,), expected)


def test_tags_of_a_code_that_trusts_say_nothing_of_it() -> None:
    code = DeployedCode.of(tuned_table(stragglers=(20, 40)))
    assert "distrusts" not in code.tags()
    assert code.distrusts == {}
    assert code.parameters == code.lambda_dec


def test_the_note_says_how_answers_are_distrusted() -> None:
    policy, one = DeployedCode.of(TABLE), DeployedCode.of(TABLE, stragglers=20)
    assert write_decoding(one) == "1e-08 (residuals beyond 4)"
    assert write_decoding(policy).startswith("1e-08 (residuals beyond 4) at S = 20, ")
    kriging = DeployedCode.of(distrusting_table(DISTRUST, kernel=KERNEL), stragglers=20)
    assert write_decoding(kriging) == "(ν 1.5, ℓ 2, nugget 0.001) (residuals beyond 4)"
    assert deployment_note(TABLE, policy, name="nercc").count("return_suspects") == 1
    trusting = distrusting_table(None)
    assert "return_suspects" not in deployment_note(trusting, DeployedCode.of(trusting), name="nercc")


def test_the_files_of_a_code_that_distrusts_are_those_of_any(tmp_path: Path) -> None:
    folder = save_coded_model(ServedTable(TABLE), DeployedCode.of(TABLE), tmp_path)
    assert {path.name for path in (folder / "artifacts").iterdir()} == {"table.json"}
