"""Whether a database has the tables of the MLflow that is installed; found out without importing it."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from nercc_tune.errors import TrackingError
from nercc_tune.text.redaction import redact

_MIGRATIONS = Path("store", "db_migrations", "versions")
_REVISION = re.compile(r"""^(down_)?revision(?:\s*:[^=]*)?\s*=\s*["'](\w+)["']""", re.MULTILINE)


def check_schema(url: str, found: str | None) -> None:
    """Refuse a database of another version of MLflow's tables, which MLflow itself refuses later and at length.

    Args:
        url: The tracking store.
        found: The revision that its table `alembic_version` holds; None where it is empty.

    Raises:
        TrackingError: If the tables are older or newer than those of the MLflow that is installed.
    """
    head, known = _revisions()
    if head is None or found in (None, head):
        return
    where, mlflow = f"the tracking store `{redact(url)}`", f"MLflow {version('mlflow')}"
    if found in known:
        raise TrackingError(
            f"{where} was made by an older MLflow than {mlflow}, which is installed here; make a copy of it, "
            f"then run `mlflow db upgrade '{redact(url)}'`."
        )
    raise TrackingError(
        f"{where} was made by a newer MLflow than {mlflow}, which is installed here (its schema is `{found}`); "
        "install that version, `pip install --upgrade mlflow`, or name another store by --tracking."
    )


@cache
def _revisions() -> tuple[str | None, frozenset[str]]:
    """Return the latest revision of the tables, and all that there ever were, as MLflow's migrations name them."""
    spec = find_spec("mlflow")
    places = spec.submodule_search_locations if spec is not None else None
    revisions: set[str] = set()
    replaced: set[str] = set()
    for place in places or ():
        for file in (Path(place) / _MIGRATIONS).glob("*.py"):
            for down, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
                (replaced if down else revisions).add(revision)
    heads = revisions - replaced
    return heads.pop() if len(heads) == 1 else None, frozenset(revisions)
