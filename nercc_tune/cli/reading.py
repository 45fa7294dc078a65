"""How commands find what they read: a study by its file or its name, and its stores."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nercc_tune.home import Home
from nercc_tune.home.places import store_url
from nercc_tune.records import StudyHistory


def name_of(study: str) -> str:
    """Return the name of a study that is given by its file or its name."""
    from nercc_tune.spec import load_study

    return load_study(study).name if Path(study).is_file() else study


def own_url(study: str, section: Literal["storage", "tracking"]) -> str | None:
    """Return the URL that a study file sets, if a file was given and it sets one."""
    from nercc_tune.spec import load_study

    settings = getattr(load_study(study), section) if Path(study).is_file() else None
    return store_url(settings.url) if settings and settings.url else None


def read(study: str, home: Path, storage: str | None) -> StudyHistory:
    """Read a study from the storage that is named, or that its file names, or from the home's."""
    from nercc_tune.tuning import closing_storage, open_existing, read_history

    with closing_storage(open_existing(storage_of(study, home, storage))) as opened:
        return read_history(opened, name_of(study))


def storage_of(study: str, home: Path, storage: str | None) -> str:
    """Return the URL of a study's storage."""
    return storage or own_url(study, "storage") or Home(home).storage_url
