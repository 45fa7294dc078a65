"""Saved views of an experiment, so that MLflow opens with the columns that matter.

MLflow's web page keeps a view as an experiment tag, in a format that it does not document (MLflow 3.17: a JSON object
whose `state` is deflated JSON). A version that does not know the tags, or not all of the state, ignores them.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Literal

from nercc_tune.tracking.content import KIND

ViewKind = Literal["trial", "cell"]

_PREFIX = "mlflow.sharedViewState."
_FIXED = {"attributes.`Run Name`": 125, "runDateAndNestInfo": 125}
"""Columns that MLflow always shows first, with widths in pixels that leave room for the others."""

_COLUMNS: dict[ViewKind, dict[str, int]] = {
    "trial": {
        "params.`lambda_enc`": 165,  # 22 characters; without its exponent λ would say nothing
        "params.`lambda_dec`": 165,
        "metrics.`mse`": 85,
        "metrics.`prob_mse`": 85,
        "metrics.`rel_acc`": 75,
        "metrics.`agreement`": 90,
        "tags.`S`": 55,
        "tags.`state`": 85,
        "params.`ordering`": 90,
        "params.`nodes`": 90,
        "params.`decode_space`": 105,
    },
    "cell": {
        "metrics.`tuned_lambda_enc`": 155,
        "metrics.`tuned_lambda_dec`": 155,
        "metrics.`heldout_mse`": 110,
        "metrics.`heldout_prob_mse`": 140,
        "metrics.`heldout_rel_acc`": 130,
        "metrics.`heldout_agreement`": 150,
        "tags.`S`": 55,
        "metrics.`heldout_bacc_prob_mse`": 180,
        "metrics.`heldout_nercc_ag_prob_mse`": 205,
        "metrics.`best_mse`": 85,
    },
}
_ORDER: dict[ViewKind, str] = {"trial": "", "cell": "heldout_"}
_NAMES: dict[ViewKind, str] = {"trial": "Trials by MSE", "cell": "Straggler counts by held-out MSE"}


def view_tags(error: Literal["mse", "prob_mse"] = "mse") -> dict[str, str]:
    """Return the experiment tags of the two views.

    Args:
        error: Which of the two errors the runs are sorted by: the one that goes with the study's goal.
    """
    return {_PREFIX + _key(kind): _view(kind, error) for kind in _COLUMNS}


def view_links(experiment_id: str) -> str:
    """Return markdown with a link to each view."""
    page = f"#/experiments/{experiment_id}/runs?viewStateShareKey="
    return " · ".join(f"[{name}]({page}{_key(kind)})" for kind, name in _NAMES.items())


def _key(kind: ViewKind) -> str:
    return f"nercc-tune-{kind}s"


def _view(kind: ViewKind, error: str) -> str:
    state = {
        "selectedColumns": list(_COLUMNS[kind]),
        "columnOrder": [*_FIXED, *_COLUMNS[kind]],
        "columnWidths": _FIXED | _COLUMNS[kind],
        "orderByKey": f"metrics.`{_ORDER[kind]}{error}`",
        "orderByAsc": True,
        "searchFilter": f"tags.`{KIND}` = '{kind}'",
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    view = {"name": _NAMES[kind], "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"}
    return json.dumps(view)
