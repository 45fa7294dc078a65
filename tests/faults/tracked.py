"""What MLflow holds of a study."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from nercc_tune.records import StudyHistory
from nercc_tune.tracking.silent import MlflowClient


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """The runs of a study that are not deleted.

    Attributes:
        trials: How often each trial's uid occurs.
        states: How many runs of trials and cells are in each state.
    """

    trials: Counter[str]
    states: Counter[str]

    @classmethod
    def of(cls, url: str) -> Tracked:
        client = MlflowClient(tracking_uri=url)
        experiment = client.get_experiment_by_name("faulty")
        assert experiment is not None
        runs = list(client.search_runs([experiment.experiment_id], max_results=10_000))
        trials = [run.data.tags["nercc_tune.uid"] for run in runs if run.data.tags["nercc_tune.kind"] == "trial"]
        return cls(trials=Counter(trials), states=Counter(run.info.status for run in runs))

    def check(self, history: StudyHistory) -> None:
        """Check that every trial is there once, and that no run is left running."""
        assert self.trials == Counter(trial.uid for cell in history.cells for trial in cell.trials)
        assert self.states["RUNNING"] == 0
