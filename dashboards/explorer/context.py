"""The study and the cell that all pages speak of, chosen at the side and kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import streamlit as st

from nercc_tune.errors import NerccTuneError
from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.tuning import SeenStudy

from .source import Source, open_source

EXAMPLE = "lenet5-digits"
"""A study that ships."""


@dataclass(eq=False)
class Context:
    """What a page is shown for.

    Attributes:
        source: What all sessions share.
        studies: As they were read for this run of the page.
        problem: Why they could not be read, else None.
    """

    source: Source
    studies: dict[str, SeenStudy]
    problem: str | None = None

    @classmethod
    def here(cls) -> Self:
        """Read the studies of the place."""
        source = open_source()
        try:
            return cls(source=source, studies=source.reader.read())
        except NerccTuneError as error:
            return cls(source=source, studies={}, problem=str(error))

    def choose(self) -> None:
        """Let the reader choose a study and a straggler count; what the address names is chosen at first."""
        if not self.studies:
            return
        wanted = st.query_params
        latest = max(self.studies, key=lambda name: _last_ms(self.studies[name]))
        with st.sidebar:
            _select("Study", "study", {name: name for name in self.studies}, default=latest)
            cells = {cell.cell.name: cell.cell.title for cell in self.history.cells}
            _select("Stragglers", "cell", cells, default=list(cells)[len(cells) // 2])
        for name in ("study", "cell"):
            if wanted.get(name) != st.session_state[name]:
                wanted[name] = st.session_state[name]

    @property
    def finished(self) -> list[str]:
        """The studies that are finished, the one that was chosen first."""
        names = sorted(self.studies, key=lambda name: name != st.session_state.get("study"))
        return [name for name in names if self.studies[name].history.is_finished]

    @property
    def seen(self) -> SeenStudy:
        """The study that was chosen."""
        return self.studies[st.session_state["study"]]

    @property
    def history(self) -> StudyHistory:
        """Its history."""
        return self.seen.history

    @property
    def cell(self) -> CellHistory:
        """The cell that was chosen."""
        return next(cell for cell in self.history.cells if cell.cell.name == st.session_state["cell"])

    def has_studies(self) -> bool:
        """Whether there is anything to show; else say what to do."""
        if self.problem is not None:
            st.error(self.problem)
        elif not self.studies:
            st.info(
                f"No study has been launched in {self.source.place.home.root} yet. "
                "Start one in a terminal; this page shows it while it runs:"
            )
            st.code(self.source.place.launch_command(EXAMPLE), language="bash", wrap_lines=True)
        return bool(self.studies)


def _select(label: str, name: str, options: Mapping[str, str], *, default: str) -> None:
    """Let one of several things be chosen, and keep it in the session, which forgets a widget when the page changes."""
    widget = f"{name}-widget"

    def keep() -> None:
        st.session_state[name] = st.session_state[widget]

    if name not in st.session_state:
        st.session_state[name] = st.query_params.get(name)
    if st.session_state[name] not in options:
        st.session_state[name] = default
    st.session_state[widget] = st.session_state[name]
    st.selectbox(label, list(options), key=widget, format_func=options.__getitem__, on_change=keep)


def _last_ms(seen: SeenStudy) -> int:
    """Return when the study's last trial ended; a study without trials is about to begin."""
    return max((trial.finished_ms for cell in seen.history.cells for trial in cell.trials), default=2**63)
