from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nercc_tune.errors import NerccTuneError
from nercc_tune.export.table import TunedTable, parse_table
from nercc_tune.records.strict_json import from_json
from nercc_tune.serving.served_table import ServedTable, load_table
from tests.builders import study_history, tuned_table
from tests.fuzz.cases import LONG, QUICK, accept_or_refuse
from tests.fuzz.mutations import changed, damaged, to_json
from tests.variants import in_ranges, pareto_study

_HISTORIES = (in_ranges(study_history(stragglers=(20, 40))), pareto_study())
_TABLES = (tuned_table(stragglers=(20,)), *(TunedTable.from_history(history) for history in _HISTORIES))
_DOCUMENTS: list[dict[str, Any]] = [json.loads(table.to_json()) for table in _TABLES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def _seal(document: dict[str, Any]) -> str:
    """Write a document with the digest of its content, where it has one, as one who means harm would."""
    try:
        values = json.loads(to_json(document))
        content = {key: value for key, value in values.items() if key not in ("schema", "digest")}
        return json.dumps({**values, "digest": from_json(TunedTable, content).digest})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return to_json(document)


def _serve(served: ServedTable, folder: Path) -> None:
    """Ask for all the codes of a table, and for counts that it may not have."""
    entry = served.table.entries[0]
    accept_or_refuse(served.policy, folder)
    for name in ("bacc", "replication", "absent"):
        accept_or_refuse(lambda name=name: served.baseline(name), folder)  # type: ignore[misc]  # bound at once
    for count in (entry.stragglers, entry.workers, -1, 0, 10**30):
        accept_or_refuse(lambda count=count: served.code(stragglers=count), folder)  # type: ignore[misc]  # the same
        accept_or_refuse(lambda count=count: served.code(arrived=count), folder)  # type: ignore[misc]  # the same


def _check(folder: Path, content: bytes) -> None:
    path = folder / "table.json"
    path.write_bytes(content)
    served = accept_or_refuse(lambda: load_table(path), folder)
    if isinstance(served, NerccTuneError):
        return
    again = parse_table(served.table.to_json())
    assert again == served.table
    assert again.digest == served.table.digest
    _serve(served, folder)


_sealed = changed(_DOCUMENTS).map(lambda document: _seal(document).encode(errors="surrogatepass"))
_changed = changed(_DOCUMENTS).map(lambda document: to_json(document).encode(errors="surrogatepass"))
_damaged = st.sampled_from(_TABLES).flatmap(lambda table: damaged(table.to_json().encode()))


def test_the_documents_are_valid(folder: Path) -> None:
    for table, document in zip(_TABLES, _DOCUMENTS, strict=True):
        assert parse_table(_seal(document)) == table
        _check(folder, _seal(document).encode())


@QUICK
@given(content=_sealed)
def test_sealed_tables_are_accepted_unchanged_and_served_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content)


@QUICK
@given(content=_changed)
def test_changed_tables_are_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content)


@QUICK
@given(content=_damaged)
def test_damaged_tables_are_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content)


@pytest.mark.slow
@LONG
@given(content=_sealed)
def test_sealed_tables_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content)


@pytest.mark.slow
@LONG
@given(content=_changed)
def test_changed_tables_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content)


@pytest.mark.slow
@LONG
@given(content=_damaged)
def test_damaged_tables_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content)
