"""Which crew a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from nercc_tune.crews.crew import Crew
from nercc_tune.crews.processes import ProcessCrew
from nercc_tune.crews.ray import RayCrew
from nercc_tune.worker import Job


def make_crew(job: Job, *, notify: Callable[[str], None]) -> Crew:
    """Return the crew of a study's `[resources]`, not started yet: actors where it names Ray, else processes."""
    resources = job.spec.resources
    if resources.ray is not None:
        return RayCrew(job, notify=notify)
    return ProcessCrew(job, workers=resources.workers, notify=notify)
