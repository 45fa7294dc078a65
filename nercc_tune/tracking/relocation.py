"""A tracking store that was moved or copied with its home: its artifacts are found where it stands now."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FOLDER = "mlartifacts"
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(database: Path) -> None:
    """Rewrite the artifact locations of an SQLite store that no longer lies where it was made.

    MLflow writes them down as absolute. Those below the folder that the store was made with become those below
    `mlartifacts` beside the database; a copy is then a store of its own, and the original is left alone. A store whose
    artifacts lie elsewhere stays as it is.

    Args:
        database: The file.
    """
    here = database.absolute().parent / _FOLDER
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        recorded = _recorded(connection)
        former = _folder(recorded)
        if former is None or former == here or _is_same(former, here):
            return
        if not here.is_dir() and former.exists():
            return
        connection.execute("BEGIN IMMEDIATE")
        present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, column in _LOCATIONS:
            if table in present:
                for old, new in ((recorded, here.as_uri()), (str(former), str(here))):
                    connection.execute(
                        f"UPDATE {table} SET {column} = :new || substr({column}, :length + 1) "  # noqa: S608 - names of ours
                        f"WHERE substr({column}, 1, :length + 1) = :old || '/'",
                        {"new": new, "old": old, "length": len(old)},
                    )
        connection.execute("COMMIT")


def _recorded(connection: sqlite3.Connection) -> str:
    """Return where the store was made, as it says: the folder above that of the experiment that MLflow makes itself."""
    try:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    except sqlite3.OperationalError:  # no tables yet
        return ""
    return str(row[0] or "").rpartition("/")[0] if row else ""


def _folder(recorded: str) -> Path | None:
    """Return the folder of artifacts that a location names; None where it is none of a home."""
    parts = urlsplit(recorded)
    if parts.scheme not in ("file", ""):
        return None
    folder = Path(unquote(parts.path) if parts.scheme else recorded)
    return folder if folder.is_absolute() and folder.name == _FOLDER else None


def _is_same(former: Path, here: Path) -> bool:
    return former.exists() and here.exists() and former.samefile(here)
