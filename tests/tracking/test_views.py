from __future__ import annotations

import base64
import json
import zlib

from nercc_tune.tracking.views import view_tags


def test_the_view_of_the_trials_is_what_the_page_reads() -> None:
    """Pin the format that was read out of MLflow 3.17's page, where a view shared by hand looks the same."""
    view = json.loads(view_tags()["mlflow.sharedViewState.nercc-tune-trials"])
    assert set(view) == {"name", "createdAt", "updatedAt", "state"}
    scheme, _, packed = view["state"].partition(";")
    assert scheme == "deflate"
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert state["selectedColumns"][:6] == [
        "params.`lambda_enc`",
        "params.`lambda_dec`",
        "params.`ordering`",
        "params.`nodes`",
        "params.`decode_space`",
        "metrics.`mse`",
    ]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`mse`", True)
    assert state["searchFilter"] == "tags.`nercc_tune.kind` = 'trial'"
