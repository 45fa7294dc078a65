from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from nercc_tune.tracking.views import view_links, view_tags


def test_the_view_of_the_trials_is_what_the_page_reads() -> None:
    """Pin the format that was read out of MLflow 3.17's page, where a view shared by hand looks the same."""
    view = json.loads(view_tags()["mlflow.sharedViewState.nercc-tune-trials"])
    assert set(view) == {"name", "createdAt", "updatedAt", "state"}
    state = _state(json.dumps(view))
    assert state["selectedColumns"] == [
        "params.`lambda_enc`",
        "params.`lambda_dec`",
        "metrics.`mse`",
        "metrics.`prob_mse`",
        "metrics.`rel_acc`",
        "metrics.`agreement`",
        "tags.`S`",
        "tags.`state`",
        "params.`ordering`",
        "params.`nodes`",
        "params.`decode_space`",
    ]
    assert [key for key in state["columnOrder"] if key in state["selectedColumns"]] == state["selectedColumns"]
    assert set(state["columnWidths"]) == set(state["columnOrder"])
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`mse`", True)
    assert state["searchFilter"] == "tags.`nercc_tune.kind` = 'trial'"


def test_the_views_are_sorted_by_the_error_that_goes_with_the_goal() -> None:
    orders = {key: _state(view)["orderByKey"] for key, view in view_tags("prob_mse").items()}
    assert orders == {
        "mlflow.sharedViewState.nercc-tune-trials": "metrics.`prob_mse`",
        "mlflow.sharedViewState.nercc-tune-cells": "metrics.`heldout_prob_mse`",
    }


def test_the_views_fit_into_a_tag_of_an_experiment() -> None:
    assert max(map(len, view_tags().values())) <= 5000


def test_each_view_has_its_link() -> None:
    assert view_links("7") == (
        "[Trials by MSE](#/experiments/7/runs?viewStateShareKey=nercc-tune-trials) · "
        "[Straggler counts by held-out MSE](#/experiments/7/runs?viewStateShareKey=nercc-tune-cells)"
    )


def _state(view: str) -> dict[str, Any]:
    scheme, _, packed = json.loads(view)["state"].partition(";")
    assert scheme == "deflate"
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state
