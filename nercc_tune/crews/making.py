"""Which crew a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from nercc_tune.crews.crew import Crew
from nercc_tune.crews.processes import ProcessCrew
from nercc_tune.worker import Job


def make_crew(job: Job, *, notify: Callable[[str], None]) -> Crew:
    """Return the crew of a study's `[resources]`, not started yet.

    Raises:
        CrewError: If Ray is asked for and not installed.
    """
    return ProcessCrew(job, workers=job.spec.resources.workers, notify=notify)
