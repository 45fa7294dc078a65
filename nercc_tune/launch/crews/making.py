"""Which crew a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from nercc_tune.launch.crews.crew import Crew
from nercc_tune.launch.crews.processes import ProcessCrew
from nercc_tune.launch.crews.ray import RayCrew
from nercc_tune.launch.crews.ray_cluster import check_address
from nercc_tune.launch.worker import Job
from nercc_tune.spec import ResourceSettings


def check_crew(resources: ResourceSettings) -> None:
    """Check that the crew of a study can be made, before anything is begun.

    Raises:
        CrewError: If Ray is asked for, and not installed or not at the address.
    """
    if resources.ray is not None:
        check_address(resources.ray)


def make_crew(job: Job, *, notify: Callable[[str], None]) -> Crew:
    """Return the crew of a study's `[resources]`, not started yet: actors where it names Ray, else processes."""
    resources = job.spec.resources
    if resources.ray is not None:
        return RayCrew(job, notify=notify)
    return ProcessCrew(job, workers=resources.workers, notify=notify)
