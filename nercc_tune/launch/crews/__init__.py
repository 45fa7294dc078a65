"""Crews: the search workers that a launch starts and looks after, on this host or on a Ray cluster."""

from nercc_tune.launch.crews.crew import Crew
from nercc_tune.launch.crews.making import check_crew, make_crew
from nercc_tune.launch.crews.processes import ProcessCrew
from nercc_tune.launch.crews.tending import search_with

__all__ = ["Crew", "ProcessCrew", "check_crew", "make_crew", "search_with"]
