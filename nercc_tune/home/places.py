"""Places that a user names, read in one way everywhere: paths, and the URLs of stores."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from nercc_tune.errors import HomeError
from nercc_tune.text.one_line import show

__all__ = ["given_path", "sqlite_file", "sqlite_url", "store_url"]

_FILES = (".db", ".sqlite", ".sqlite3", ".db3")


def given_path(path: str | Path) -> Path:
    """Return a path that a user gave, with `~` and `~name` as the home of a user.

    Raises:
        HomeError: If there is no such user, or it cannot be a path.
    """
    try:
        expanded = Path(path).expanduser()
    except RuntimeError as error:
        raise HomeError(
            f"the path {show(str(path))} begins with `~`, but there is no such user; write it out."
        ) from error
    if "\0" in str(expanded):
        raise HomeError(f"the path {show(str(path))} cannot be one: it holds a zero byte; give another.")
    return expanded


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file, whatever letters its path holds.

    Only what would be read as something else is escaped. SQLAlchemy's own `render_as_string` escapes more, and MLflow,
    which reads such a URL as a path to make the folder, would make one with a mangled name.

    >>> sqlite_url(Path("/data/50%20off?/optuna.db"))
    'sqlite:////data/50%2520off%3F/optuna.db'
    """
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL; None where it names none, or another kind of database.

    >>> sqlite_file("sqlite:////data/50%2520off%3F/optuna.db").as_posix()
    '/data/50%20off?/optuna.db'
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        return None
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)) if is_file else None


def store_url(given: str) -> str:
    """Return the URL of a store that a user gave: a URL, or the path of an SQLite file that ends like one.

    >>> store_url("studies/optuna.db"), store_url("postgresql://ann@db/optuna")
    ('sqlite:///studies/optuna.db', 'postgresql://ann@db/optuna')

    Raises:
        HomeError: As for `given_path`.
    """
    if "://" not in given:
        return sqlite_url(given_path(given)) if given.endswith(_FILES) else given
    scheme, _, name = given.partition(":///")
    if name.startswith("~") and scheme.partition("+")[0] == "sqlite":
        file, question, query = name.partition("?")
        return f"{scheme}:///{given_path(file)}{question}{query}"
    return given
