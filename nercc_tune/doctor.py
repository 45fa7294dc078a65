"""What works on this machine, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch

from nercc_tune.errors import NerccTuneError
from nercc_tune.home import Home
from nercc_tune.inference import describe_device, resolve_device
from nercc_tune.tracking.reachability import check_tracking
from nercc_tune.tuning import masked, open_storage, study_names
from nercc_tune.workloads import DATASETS, RECIPES


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_ok: bool
    text: str


def examine(home: Home, *, data_dir: Path, storage: str, tracking: str) -> Iterator[Finding]:
    """Look at the device, the weights, the data, the storage and the tracking store, one after the other."""
    device = resolve_device("auto")
    yield Finding(what="device", is_ok=True, text=f"{describe_device(device)}, {torch.get_num_threads()} CPU threads")
    yield Finding(
        what="home", is_ok=True, text=f"{home.root} ({'exists' if home.root.exists() else 'made by the first launch'})"
    )
    yield _probe("storage", lambda: _describe_storage(storage, home))
    yield _probe("tracking", lambda: _describe_tracking(tracking))
    for recipe in RECIPES:
        yield _weights(recipe, home)
    yield Finding(what="data folder", is_ok=data_dir.is_dir(), text=_describe_data(data_dir))


def _probe(what: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, is_ok=True, text=describe())
    except NerccTuneError as error:
        return Finding(what=what, is_ok=False, text=str(error))


def _describe_storage(url: str, home: Home) -> str:
    if url == home.storage_url and not (home.root / "optuna.db").exists():
        return f"{masked(url)} (made by the first launch)"
    start = time.perf_counter()
    names = study_names(open_storage(url))
    return f"{masked(url)} answers in {time.perf_counter() - start:.2f} s and holds {len(names)} studies"


def _describe_tracking(url: str) -> str:
    check_tracking(url)
    return f"{masked(url)} can be used"


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
