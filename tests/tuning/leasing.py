"""Leases as the tests of the ledger need them: with holders elsewhere, and in a hurry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from nercc_tune.tuning import Ledger, open_storage
from nercc_tune.tuning.holder import Holder
from nercc_tune.tuning.leases import Leases
from tests.fakes import sqlite_url

NAME = "tiny/proposals"
ELSEWHERE = "another boot/1"


def opened(folder: Path, *, heartbeat_s: int = 10) -> RDBStorage:
    """Open a storage as another process would: nothing is shared but the file."""
    return open_storage(sqlite_url(folder), heartbeat_s=heartbeat_s)


def leases_in(folder: Path, *, machine: str | None = None, heartbeat_s: int = 10) -> Leases:
    """Return leases as a process on some machine sees them; on this one by default."""
    leases = Leases(opened(folder, heartbeat_s=heartbeat_s), NAME, attributes={"a": 1})
    _move(leases, machine)
    return leases


def ledger_in(folder: Path, *, machine: str | None = None) -> Ledger:
    """Return a ledger as a process on some machine sees it; on this one by default."""
    ledger = Ledger(opened(folder), "tiny")
    _move(ledger._leases, machine)
    return ledger


def _move(leases: Leases, machine: str | None) -> None:
    if machine is not None:
        leases._me = replace(Holder.here(), machine=machine, host="far")


def trial_of(leases: Leases, trial_id: int) -> FrozenTrial:
    return next(trial for trial in leases.trials() if trial._trial_id == trial_id)


def states(source: Leases | Ledger) -> list[TrialState]:
    leases = source._leases if isinstance(source, Ledger) else source
    return [trial.state for trial in leases.trials()]


def heartbeats(leases: Leases) -> dict[int, str]:
    """Return the last heartbeat of each lease, by its trial's id."""
    with leases._rdb.engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT trial_id, heartbeat FROM trial_heartbeats")).all()
    return {int(trial_id): str(heartbeat) for trial_id, heartbeat in rows}


def silence(folder: Path, *, seconds: int = 3600) -> None:
    """Let the last heartbeats be so many seconds old."""
    with opened(folder).engine.begin() as connection:
        later = sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = datetime('now', :ago)")
        connection.execute(later, {"ago": f"-{seconds} seconds"})
