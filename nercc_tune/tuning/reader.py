"""Reads the studies of a storage again and again, and each only when something of it has changed."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import TrialState

from nercc_tune.records import StudyHistory
from nercc_tune.tuning.cell_reading import HEADER
from nercc_tune.tuning.history import read_history
from nercc_tune.tuning.ledger import seems_launched
from nercc_tune.tuning.storage import is_absent, open_existing

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenStudy:
    """A study as it was read last.

    Attributes:
        is_launched: Whether a process seems to be at work on it.
    """

    history: StudyHistory
    is_launched: bool


class StudyReader:
    """A storage that is kept open for reading; for several threads.

    A storage that is not there yet is looked for at each reading.

    Args:
        url: Of Optuna's storage.
        max_age_s: What was read so recently is not read again.
    """

    def __init__(self, url: str, *, max_age_s: float = 0.0) -> None:
        self._url = url
        self._max_age_s = max_age_s
        self._read_at = -math.inf
        self._latest: dict[str, SeenStudy] = {}
        self._lock = threading.Lock()
        self._storage: RDBStorage | None = None
        self._seen: dict[str, tuple[object, StudyHistory]] = {}

    def read(self) -> dict[str, SeenStudy]:
        """Return all studies by name; none while there is no storage.

        Raises:
            StorageError: If the storage cannot be reached, or holds what another version wrote.
        """
        with self._lock:
            if time.monotonic() - self._read_at > self._max_age_s:
                self._latest = self._look()
                self._read_at = time.monotonic()
            return self._latest

    def _look(self) -> dict[str, SeenStudy]:
        if is_absent(self._url):
            self._storage, self._seen = None, {}
            return {}
        if self._storage is None:
            self._storage = open_existing(self._url)
        try:
            return self._read(self._storage)
        finally:
            self._storage.remove_session()  # its connection belongs to this thread

    def _read(self, storage: RDBStorage) -> dict[str, SeenStudy]:
        revisions = _revisions(storage)
        for name, revision in revisions.items():
            if name not in self._seen or self._seen[name][0] != revision:
                self._seen[name] = (revision, read_history(storage, name))
        self._seen = {name: self._seen[name] for name in sorted(revisions)}
        return {
            name: SeenStudy(history=history, is_launched=seems_launched(storage, name))
            for name, (_, history) in self._seen.items()
        }


def _revisions(storage: RDBStorage) -> dict[str, list[Any]]:
    """Return for each study what changes whenever something of it does: attributes and numbers of ended trials."""
    revisions: dict[str, list[Any]] = {}
    for study in storage.get_all_studies():
        header = study.user_attrs.get(HEADER)
        if header is not None:
            ended = storage.get_n_trials(study._study_id, state=_ENDED)  # noqa: SLF001 - Optuna's storages take it
            revisions.setdefault(header["cell"]["study"], []).append((study._study_id, ended, study.user_attrs))  # noqa: SLF001
    return revisions
