"""What all sessions share: the storage that is read, and the workloads that were loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TypeVar

import streamlit as st

from nercc_tune.dashboard.place import Place
from nercc_tune.errors import NerccTuneError
from nercc_tune.exploration import Exploration
from nercc_tune.records import StudyHistory
from nercc_tune.tracking.links import cell_links
from nercc_tune.tracking.views import view_links as tracking_views
from nercc_tune.tuning import StudyReader

_Value = TypeVar("_Value")
_MAX_AGE_S = 1.5
"""A study that runs is looked at this often, however many pages are open."""


_importing = threading.Lock()


def prepare() -> None:
    """Import what the workloads take seconds to import, in one thread at a time.

    Two threads that import parts of torchvision, which import each other, may both find them half made.
    """
    with _importing:
        import_module("torchvision.datasets")


@dataclass(eq=False)
class Source:
    """A place with what was read and computed from it, kept for all sessions."""

    place: Place
    reader: StudyReader
    lock: threading.RLock = field(default_factory=threading.RLock)
    _explorations: dict[str, Exploration] = field(default_factory=dict)
    _computed: dict[object, object] = field(default_factory=dict)

    def exploration(self, history: StudyHistory) -> Exploration:
        """Return a study with its workload loaded, which takes seconds at first.

        Raises:
            NerccTuneError: If the model or the data cannot be used here.
        """
        prepare()
        with self.lock:
            kept = self._explorations.get(history.digest)
            if kept is None or kept.history.workload != history.workload:
                kept = Exploration.open(history, self.place.home, allow_code=self.place.allow_code)
                self._explorations[history.digest] = kept
            return kept

    def is_computed(self, key: object) -> bool:
        """Whether `computed` would return at once."""
        return key in self._computed

    def computed(self, key: object, compute: Callable[[], _Value]) -> _Value:
        """Return what was computed under a key, computing it if nobody did; one session computes at a time."""
        with self.lock:
            if key not in self._computed:
                self._computed[key] = compute()
            return self._computed[key]  # type: ignore[return-value]  # a key always stands for one kind of value


@st.cache_resource(show_spinner=False)
def open_source() -> Source:
    """Return the place that the command handed over, opened once for all sessions."""
    place = Place.from_environment()
    return Source(place=place, reader=StudyReader(place.storage, max_age_s=_MAX_AGE_S))


def view_links(study: str) -> str:
    """Return Markdown with links to MLflow's tables of a study's trials and cells; nothing where it has none."""
    address = next(iter(mlflow_links(study).values()), None)
    if address is None:
        return ""
    page, _, experiment = address.partition("#/experiments/")
    links = tracking_views(experiment.partition("/")[0])
    return "MLflow: " + links.replace("](#", f"]({page}#")


def mlflow_links(study: str) -> dict[str, str]:
    """Return the address of each cell's run in MLflow, by name; those that MLflow has not are missing."""
    links = _mlflow_links(study)
    if not links:
        _mlflow_links.clear(study)  # a study that was just begun will have some
    return links


@st.cache_data(ttl=15.0, show_spinner=False)
def _mlflow_links(study: str) -> dict[str, str]:
    place = open_source().place
    try:
        paths = cell_links(place.tracking, study)
    except NerccTuneError:  # MLflow's own page says what is wrong with it; here only the links are missing
        return {}
    return {cell: f"{place.mlflow}/{path}" for cell, path in paths.items()}
