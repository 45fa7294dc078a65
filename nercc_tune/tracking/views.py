"""Saved views of an experiment, so that MLflow opens with the columns that matter.

MLflow's web page keeps a view as an experiment tag, in a format that it does not document (MLflow 3.17: a JSON object
whose `state` is deflated JSON). A version that does not know the tags ignores them.
"""

from __future__ import annotations

import base64
import json
import zlib

from nercc_tune.tracking.content import KIND

_PREFIX = "mlflow.sharedViewState."
_COLUMNS = {
    "trial": (
        "params.`lambda_enc`",
        "params.`lambda_dec`",
        "params.`ordering`",
        "params.`nodes`",
        "params.`decode_space`",
        "metrics.`mse`",
        "metrics.`mse_p95`",
        "metrics.`prob_mse`",
        "metrics.`rel_acc`",
        "metrics.`agreement`",
        "tags.`S`",
    ),
    "cell": (
        "metrics.`tuned_lambda_enc`",
        "metrics.`tuned_lambda_dec`",
        "metrics.`heldout_mse`",
        "metrics.`heldout_prob_mse`",
        "metrics.`heldout_bacc_prob_mse`",
        "metrics.`heldout_nercc_ag_prob_mse`",
        "metrics.`heldout_rel_acc`",
        "metrics.`heldout_agreement`",
        "metrics.`best_mse`",
        "tags.`S`",
    ),
}
_ORDER = {"trial": "metrics.`mse`", "cell": "metrics.`heldout_mse`"}


def view_tags() -> dict[str, str]:
    """Return the experiment tags of the two views: trials by their MSE, and cells by their held-out MSE."""
    return {_PREFIX + _key(kind): _view(kind) for kind in _COLUMNS}


def experiment_note(experiment_id: str) -> str:
    """Return markdown with a link to each view."""
    page = f"#/experiments/{experiment_id}/runs?viewStateShareKey="
    return (
        "One run for each straggler count S, with its trials below it. "
        f"[Trials by MSE]({page}{_key('trial')}) · [straggler counts by held-out MSE]({page}{_key('cell')})"
    )


def _key(kind: str) -> str:
    return f"nercc-tune-{kind}s"


def _view(kind: str) -> str:
    state = {
        "selectedColumns": list(_COLUMNS[kind]),
        "columnOrder": list(_COLUMNS[kind]),
        "orderByKey": _ORDER[kind],
        "orderByAsc": True,
        "searchFilter": f"tags.`{KIND}` = '{kind}'",
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    view = {"name": f"{kind}s by MSE", "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"}
    return json.dumps(view)
