"""What works on this machine, and what is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import torch

from nercc_tune.doctor.postgresql import NEEDED, POSTGRESQL
from nercc_tune.errors import NerccTuneError
from nercc_tune.home import Home
from nercc_tune.home.stores import database_of
from nercc_tune.inference import describe_device, resolve_device
from nercc_tune.text.redaction import masked
from nercc_tune.tracking.reachability import check_tracking, is_server, server_version
from nercc_tune.tuning import is_absent, open_storage, study_names
from nercc_tune.tuning.storage import connected, optuna_tables
from nercc_tune.workloads import DATASETS, RECIPES

_SCARCE_GIB = 1.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        is_needed: Whether no study can be launched while it is not in order.
    """

    what: str
    is_ok: bool
    text: str
    is_needed: bool = False


def examine(home: Home, *, data_dir: Path, storage: str, tracking: str) -> Iterator[Finding]:
    """Look at the device, the weights, the data, the storage and the tracking store, one after the other."""
    device = resolve_device("auto")
    yield Finding(what="device", is_ok=True, text=f"{describe_device(device)}, {torch.get_num_threads()} CPU threads")
    yield _probe("home", lambda: _describe_home(home))
    yield _disk(home)
    opened = _probe("storage", lambda: _describe_storage(storage))
    yield opened
    if opened.is_ok:
        yield from _storage_details(storage)
    yield _apart(storage, tracking)
    yield _probe("tracking", lambda: _describe_tracking(tracking))
    for recipe in RECIPES:
        yield _weights(recipe, home)
    yield Finding(what="data folder", is_ok=data_dir.is_dir(), text=_describe_data(data_dir))


def _probe(what: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, is_ok=True, text=describe(), is_needed=True)
    except NerccTuneError as error:
        return Finding(what=what, is_ok=False, text=str(error), is_needed=True)


def _describe_home(home: Home) -> str:
    home.check_writable()
    return f"{home.root} ({'exists' if home.root.exists() else 'made by the first launch'})"


def _disk(home: Home) -> Finding:
    nearest = next(folder for folder in (home.root.absolute(), *home.root.absolute().parents) if folder.exists())
    free = shutil.disk_usage(nearest).free / 2**30
    text = f"{free:.1f} GiB free at {home.root}"
    return Finding(what="disk", is_ok=free >= _SCARCE_GIB, text=text if free >= _SCARCE_GIB else f"{text}; free some")


def _describe_storage(url: str) -> str:
    if is_absent(url):
        return f"{masked(url)} (made by the first launch)"
    start = time.perf_counter()
    with connected(url) as connection:
        if not optuna_tables(connection, url):
            return f"{masked(url)} is empty (its tables are made by the first launch)"
    storage = open_storage(url)
    names = study_names(storage)
    storage.remove_session()
    storage.engine.dispose()
    return f"{masked(url)} answers in {time.perf_counter() - start:.2f} s and holds {len(names)} studies"


def _storage_details(url: str) -> Iterator[Finding]:
    if url.startswith("sqlite:"):
        text = "SQLite serves the processes of this host only; use PostgreSQL for several"
        yield Finding(what="storage hosts", is_ok=True, text=text)
    elif url.startswith("postgres"):
        for what in POSTGRESQL:
            yield _probe_server(what, url)


def _probe_server(what: str, url: str) -> Finding:
    is_needed = what in NEEDED
    try:
        with connected(url) as connection:
            is_ok, text = POSTGRESQL[what](connection)
    except NerccTuneError as error:
        return Finding(what=f"storage {what}", is_ok=False, text=str(error), is_needed=is_needed)
    return Finding(what=f"storage {what}", is_ok=is_ok, text=text, is_needed=is_needed)


def _apart(storage: str, tracking: str) -> Finding:
    """Optuna and MLflow both own a table `alembic_version`, so they cannot share a database."""
    is_ok = database_of(storage) != database_of(tracking)
    text = (
        "Optuna and MLflow have a database each"
        if is_ok
        else ("Optuna and MLflow are given the same database; give each one of its own with --storage or --tracking")
    )
    return Finding(what="stores", is_ok=is_ok, text=text, is_needed=True)


def _describe_tracking(url: str) -> str:
    check_tracking(url)
    if not is_server(url):
        return f"{masked(url)} can be used"
    here, there = version("mlflow"), server_version(url)
    if there is None:
        return f"{masked(url)} can be used; it does not tell its version"
    advice = "" if there.split(".")[:2] == here.split(".")[:2] else f", and {here} is installed here: use one version"
    return f"{masked(url)} can be used; it runs MLflow {there}{advice}"


def _weights(recipe: str, home: Home) -> Finding:
    trained = home.root / "weights" / f"{recipe}.safetensors"
    shipped = resources.files("nercc_tune.workloads") / "weights" / f"{recipe}.safetensors"
    if trained.exists():
        return Finding(what=f"weights {recipe}", is_ok=True, text=f"trained, {trained}")
    if shipped.is_file():
        return Finding(what=f"weights {recipe}", is_ok=True, text="shipped")
    return Finding(what=f"weights {recipe}", is_ok=False, text=f"none; make them with `nercc-tune train {recipe}`")


def _describe_data(data_dir: Path) -> str:
    known = ", ".join(DATASETS)
    if not data_dir.is_dir():
        return (
            f"{data_dir} is not there; it is made by a download, or name another with --data-dir (data sets: {known})"
        )
    inside = ", ".join(sorted(path.name for path in data_dir.iterdir() if path.is_dir())) or "nothing"
    return f"{data_dir} holds {inside} (data sets: {known})"
