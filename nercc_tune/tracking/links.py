"""Links between MLflow's pages and those of the λ explorer, in both directions.

Importing this module does not import MLflow, which takes seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from nercc_tune.tracking.content import KIND, NOTE, UID
from nercc_tune.tracking.reachability import is_sqlite, sqlite_path

if TYPE_CHECKING:
    from nercc_tune.tracking.silent import MlflowClient, Run

EXPLORER_URL = "http://127.0.0.1:5001"
"""Where the λ explorer is served unless one says otherwise."""

_LINK = re.compile(r"(?<=\[λ explorer\]\()[^\s()]*?(?=/\?study=)")
_BASE = re.compile(r"https?://[^\s()]+")


def explorer_link(study: str, cell: str, base: str = EXPLORER_URL) -> str:
    """Return a markdown link to the explorer's page of a cell.

    >>> explorer_link("digits", "digits/K8-N24-S4")
    '[λ explorer](http://127.0.0.1:5001/?study=digits&cell=digits%2FK8-N24-S4)'
    """
    return f"[λ explorer]({base}/?study={quote(study, safe='')}&cell={quote(cell, safe='')})"


def keep_base(note: str, *, of: str | None) -> str:
    """Return a note whose explorer link has the base that another note's link has, if that has one."""
    found = _LINK.search(of or "")
    return note if found is None else _rebased(note, found.group())


def point_to_explorer(url: str, base: str) -> None:
    """Let the notes of all cells' runs in a tracking store link to the explorer that is served at `base`.

    Nothing is written where the links are right already, and no store is made where there is none.

    Args:
        url: The tracking store.
        base: For example `http://127.0.0.1:8501`; a slash at its end does not matter.

    Raises:
        TrackingError: If the store cannot be reached, read or written.
        ValueError: If `base` is not an http address that can stand in a link.
    """
    if not _BASE.fullmatch(base):
        raise ValueError(f"`base` must be an http(s) address without spaces and brackets, but got {base!r}.")
    if _is_absent(url):
        return
    # Here, not above: see the module's docstring.
    from nercc_tune.tracking.store import open_client, translated  # noqa: PLC0415

    client = open_client(url, None)
    with translated(url):
        for run in _cell_runs(client, [item.experiment_id for item in client.search_experiments()]):
            note = run.data.tags.get(NOTE, "")
            rebased = _rebased(note, base.rstrip("/"))
            if rebased != note:
                client.set_tag(run.info.run_id, NOTE, rebased, synchronous=True)


def cell_links(url: str, study: str) -> dict[str, str]:
    """Return for each cell of a study, by name, the path of its run's page on an MLflow server.

    Of several runs of a cell the newest counts. The result is empty where nothing is there; no store is made.

    Raises:
        TrackingError: If the store cannot be reached or read.
    """
    if _is_absent(url):
        return {}
    # Here, not above: see the module's docstring.
    from nercc_tune.tracking.store import open_client, translated  # noqa: PLC0415

    client = open_client(url, None)
    with translated(url):
        experiment = client.get_experiment_by_name(study)
        if experiment is None:
            return {}
        runs = list(_cell_runs(client, [experiment.experiment_id]))
    return {
        run.data.tags[UID]: f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}" for run in reversed(runs)
    }


def _cell_runs(client: MlflowClient, experiment_ids: list[str]) -> Iterator[Run]:
    """Yield the runs of the cells, the newest first."""
    # Here, not above: see the module's docstring.
    from nercc_tune.tracking.runs import search_all  # noqa: PLC0415

    return search_all(client, experiment_ids, f"tags.`{KIND}` = 'cell'", order="DESC")


def _rebased(note: str, base: str) -> str:
    return _LINK.sub(lambda _: base, note)


def _is_absent(url: str) -> bool:
    return is_sqlite(url) and not sqlite_path(url).exists()
