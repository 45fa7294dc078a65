"""The experiment of a study, in which all its runs are."""

from __future__ import annotations

import re
from pathlib import Path

from nercc_tune.tracking.reachability import is_server
from nercc_tune.tracking.silent import MlflowClient


def open_experiment(
    client: MlflowClient, study: str, *, url: str, artifacts: Path | None
) -> tuple[str, dict[str, str]]:
    """Return the number of a study's experiment and its tags; it is made where it is missing, restored where deleted.

    Args:
        client: Of the store.
        study: Name of the study.
        url: The tracking store.
        artifacts: Folder of the files that belong to runs; a server keeps them where it likes.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        folder = None if artifacts is None or is_server(url) else artifacts.absolute() / re.sub(r"[^\w-]", "_", study)
        return str(client.create_experiment(study, folder.as_uri() if folder else None)), {}
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id), dict(experiment.tags)
