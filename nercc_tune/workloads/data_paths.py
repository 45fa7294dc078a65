"""Where the files that a study names lie."""

from __future__ import annotations

from pathlib import Path

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.text.one_line import one_line

__all__ = ["data_root", "find_path"]


def find_path(path: str, data_dir: Path) -> Path:
    """Return a path that is there as it stands, or else relative to the data directory, but never above that.

    Raises:
        WorkloadError: It cannot be a path.
    """
    try:
        given = Path(path).expanduser()
        return given if given.exists() or ".." in given.parts else data_dir / given
    except (OSError, RuntimeError) as error:  # a name that is too long, a home of nobody
        raise WorkloadError(f"`{one_line(path)}` must be a path, but cannot be one: {one_line(error)}.") from error


def data_root(settings: WorkloadSettings, data_dir: Path) -> Path:
    """Return the folder of the data, or the file for `npz`: that of the settings, or else the data directory.

    Raises:
        WorkloadError: The settings name what cannot be a path.
    """
    return data_dir if settings.data_dir is None else find_path(settings.data_dir, data_dir)
