"""How commands find what they read: a study by its file or its name, and its stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nercc_tune.errors import StorageError
from nercc_tune.home import Home
from nercc_tune.home.places import store_url
from nercc_tune.records import StudyHistory
from nercc_tune.text.one_line import one_line

if TYPE_CHECKING:
    from nercc_tune.spec import Family


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
    """Read a study from the storage that is named, or that its file names, or from the home's.

    Raises:
        StorageError: If the storage holds no such study; if it is a family, its studies are named.
    """
    from nercc_tune.spec.family import workers_in_name
    from nercc_tune.tuning import closing_storage, open_existing, read_history, study_names

    with closing_storage(open_existing(storage_of(study, home, storage))) as opened:
        name, names = name_of(study), study_names(opened)
        members = [each for each in names if workers_in_name(each, name) is not None]
        if members and name not in names:
            raise StorageError(f"`{name}` is a family of studies; give one of them: {one_line(', '.join(members))}.")
        return read_history(opened, name)


def read_family(study: str, home: Path, storage: str | None) -> tuple[str, tuple[StudyHistory, ...]]:
    """Read a study, or all studies of a family, and return what they are called together.

    A family is known by the names and the numbers of workers of its studies: `<family>-N<N>` with N workers. Where a
    study has the very name that is asked for, it is that study alone.

    Raises:
        StorageError: If the storage holds neither.
    """
    from nercc_tune.spec.family import workers_in_name
    from nercc_tune.tuning import closing_storage, open_existing, read_history, study_names

    family = family_of(study)
    name, url = (family.name, family.members[0].storage.url) if family else (study, None)
    place = storage or (store_url(url) if url else Home(home).storage_url)
    with closing_storage(open_existing(place)) as opened:
        names = study_names(opened)
        is_study = name in names and (family is None or family.is_single)
        members = [] if is_study else [each for each in names if workers_in_name(each, name) is not None]
        histories = [read_history(opened, each) for each in members]
        found = [each for each in histories if _workers(each) == workers_in_name(each.name, name)]
        if not found:
            return name, (read_history(opened, name),)
    return name, tuple(sorted(found, key=_workers))


def family_of(study: str) -> Family | None:
    """Return the family of a study file; None where a name was given."""
    from nercc_tune.spec import load_family

    return load_family(study) if Path(study).is_file() else None


def _workers(history: StudyHistory) -> int:
    return int(history.spec["code"]["workers"])


def storage_of(study: str, home: Path, storage: str | None) -> str:
    """Return the URL of a study's storage."""
    return storage or own_url(study, "storage") or Home(home).storage_url
