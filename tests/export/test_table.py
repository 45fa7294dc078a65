from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nercc_tune.export
from nercc_tune.errors import TableError
from nercc_tune.export.table import SCHEMA, TunedTable, parse_table, read_table
from nercc_tune.records import Design, Goal
from tests.builders import study_history, tuned_table
from tests.variants import in_ranges, pareto_study, random_table

_BEYOND_THE_STANDARD_LIBRARY = {"pydantic", "nercc_tune"}


def _tampered(change: Callable[[dict[str, Any]], object]) -> str:
    values = json.loads(tuned_table().to_json())
    change(values)
    return json.dumps(values)


def test_a_table_read_back_is_equal() -> None:
    table = tuned_table()
    assert parse_table(table.to_json()) == table


def test_a_table_without_labels_read_back_is_equal() -> None:
    table = tuned_table(has_labels=False)
    assert parse_table(table.to_json()) == table


def test_a_table_is_read_from_a_file(tmp_path: Path) -> None:
    table = tuned_table()
    (tmp_path / "table.json").write_text(table.to_json(), encoding="utf-8")
    assert read_table(tmp_path / "table.json") == table


def test_the_text_names_schema_and_digest() -> None:
    values = json.loads(tuned_table().to_json())
    assert values["schema"] == SCHEMA
    assert values["digest"] == tuned_table().digest


@pytest.mark.parametrize("change", [{"times": {"created": "2030-01-01T00:00:00+00:00"}}, {"git_commit": "other"}])
def test_times_and_commit_do_not_change_the_digest(change: dict[str, Any]) -> None:
    table = tuned_table()
    assert replace(table, provenance=replace(table.provenance, **change)).digest == table.digest


@pytest.mark.parametrize("name", ["device", "precision"])
def test_the_rest_of_the_provenance_changes_the_digest(name: str) -> None:
    table = tuned_table()
    other = replace(table.provenance, **{name: "other"})  # type: ignore[arg-type]  # each of these holds text
    assert replace(table, provenance=other).digest != table.digest


def test_any_change_of_a_pair_changes_the_digest() -> None:
    table = tuned_table()
    first = replace(table.entries[0], lambda_dec=table.entries[0].lambda_dec * (1 + 1e-15))
    assert replace(table, entries=(first, *table.entries[1:])).digest != table.digest


def test_the_table_tells_goal_reference_and_straggler_model() -> None:
    history = in_ranges(study_history(search={"min_rel_acc": 0.9}, goal=Goal(min_rel_acc=0.9)))
    table = TunedTable.from_history(history)
    assert table.goal == Goal(min_rel_acc=0.9)
    assert table.reference == Design(nodes="chebyshev", ordering="arrival", decode_space="probabilities")
    assert table.straggling == {"model": "independent", "probability": 0.3}
    assert [(entry.fewest, entry.stragglers) for entry in table.entries] == [(0, 20), (21, 40), (41, 80), (81, 120)]
    assert parse_table(table.to_json()) == table


@pytest.mark.parametrize("change", [{"goal": Goal(metric="prob_mse")}, {"straggling": {"model": "bursts"}}])
def test_what_was_optimised_and_who_straggled_change_the_digest(change: dict[str, Any]) -> None:
    assert replace(tuned_table(), **change).digest != tuned_table().digest


def test_a_table_with_all_that_only_some_studies_have_read_back_is_equal() -> None:
    for table in (random_table(), TunedTable.from_history(pareto_study())):
        assert parse_table(table.to_json()) == table


@pytest.mark.parametrize("counts", [(), (40, 20), (20, 20)])
def test_entries_that_do_not_ascend_are_refused(counts: tuple[int, ...]) -> None:
    table = tuned_table()
    entries = tuple(table.entry(count) for count in counts)
    with pytest.raises(ValueError, match="`entries` must be at least one, ascending in `stragglers`, but got"):
        replace(table, entries=entries)


def test_entries_ascend_in_stragglers_whatever_the_order_of_cells() -> None:
    history = study_history()
    table = TunedTable.from_history(replace(history, cells=history.cells[::-1]))
    assert [entry.stragglers for entry in table.entries] == [20, 40, 80, 120]


def test_an_entry_is_found_by_its_stragglers() -> None:
    table = tuned_table()
    assert table.entry(80) is table.entries[2]


def test_an_unknown_straggler_count_is_refused() -> None:
    with pytest.raises(TableError, match="one of the table's counts 20, 40, 80, 120, but got 30"):
        tuned_table().entry(30)


@pytest.mark.parametrize("missing", ["policy", "provenance"])
def test_an_unfinished_study_has_no_table(missing: str) -> None:
    history = replace(study_history(), **{missing: None})  # type: ignore[arg-type]  # both may be None
    with pytest.raises(TableError, match="`lenet5-mnist` is not finished"):
        TunedTable.from_history(history)


def test_a_study_with_a_cell_to_judge_has_no_table() -> None:
    history = study_history()
    cells = (*history.cells[:-1], replace(history.cells[-1], entry=None))
    with pytest.raises(TableError, match="is not finished"):
        TunedTable.from_history(replace(history, cells=cells))


def test_a_changed_pair_is_refused() -> None:
    text = _tampered(lambda values: values["entries"][0].update(lambda_dec=1e-3))
    with pytest.raises(TableError, match="digest does not match"):
        parse_table(text)


def test_a_changed_digest_is_refused() -> None:
    with pytest.raises(TableError, match="digest does not match"):
        parse_table(_tampered(lambda values: values.update(digest="0" * 64)))


def test_a_table_without_digest_is_refused() -> None:
    with pytest.raises(TableError, match="digest does not match"):
        parse_table(_tampered(lambda values: values.pop("digest")))


def test_a_missing_field_is_named() -> None:
    with pytest.raises(TableError, match=r"`entries\.1\.lambda_enc` is wrong: field required"):
        parse_table(_tampered(lambda values: values["entries"][1].pop("lambda_enc")))


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(TableError, match=r"`entries\.0\.lambda_extra` is wrong"):
        parse_table(_tampered(lambda values: values["entries"][0].update(lambda_extra=1.0)))


def test_an_unknown_field_of_the_table_itself_is_named() -> None:
    with pytest.raises(TableError, match="`extra` is wrong"):
        parse_table(_tampered(lambda values: values.update(extra=1.0)))


def test_a_number_that_is_not_finite_is_refused() -> None:
    text = tuned_table().to_json()
    text = text.replace('"lambda_enc": 1.1e-07', '"lambda_enc": NaN', 1)
    with pytest.raises(TableError, match=r"`entries\.0\.lambda_enc` is wrong"):
        parse_table(text)


@pytest.mark.parametrize("schema", ["nercc-tune/table/1", None])
def test_another_schema_is_refused(schema: str | None) -> None:
    with pytest.raises(TableError, match=r"schema must be `nercc-tune/table/2`, but got"):
        parse_table(_tampered(lambda values: values.update(schema=schema)))


@pytest.mark.parametrize("text", ["", "{", "not json"])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(TableError, match="the table is not JSON"):
        parse_table(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "7" * 5000, '{"a": 1, "a": 1}', '{"b": {"a": 1, "a": 2}}'])
def test_json_that_no_exporter_writes_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(TableError, match="the table is not JSON") as refused:
        parse_table(text)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_a_straggler_model_that_has_no_digest_is_refused(value: object) -> None:
    with pytest.raises(TableError, match=r"^the table's field `straggling` is wrong: .*\.$"):
        parse_table(_tampered(lambda values: values["straggling"].update(probability=value)))


def _sized(*, queries: int = 50, workers: int = 200, fewest: int = 20) -> TunedTable:
    table = tuned_table(stragglers=(20,))
    entry = replace(table.entries[0], queries=queries, workers=workers, fewest=fewest)
    return replace(table, entries=(entry,))


_OTHER = replace(tuned_table(stragglers=(40,)).entries[0], workers=201)


_IMPOSSIBLE = {
    "one query": (_sized(queries=1), r"`2 <= queries <= workers <= 1000000`, but got \[\(1, 200\)\]\."),
    "fewer workers": (_sized(workers=40), r"`2 <= queries <= workers <= 1000000`, but got \[\(50, 40\)\]\."),
    "all workers of the world": (_sized(workers=2**64), r"`2 <= queries <= workers <= 1000000`, but got"),
    "a range upside down": (_sized(fewest=21), r"`0 <= fewest <= stragglers < workers` must hold"),
    "a negative count": (_sized(fewest=-1), r"`0 <= fewest <= stragglers < workers` must hold"),
    "two sizes": (
        replace(_sized(), entries=(*_sized().entries, _OTHER)),
        r"one `queries` and one `workers`, .* but got \[\(50, 200\), \(50, 201\)\]\.",
    ),
    "no policy": (
        replace(_sized(), policy=replace(_sized().policy, entries=())),
        r"`policy\.entries` must be for counts",
    ),
    "a negative λ": (
        replace(_sized(), policy=replace(_sized().policy, lambda_enc=-1.0)),
        "must be at least 0, but got -1",
    ),
}


@pytest.mark.parametrize(("table", "message"), _IMPOSSIBLE.values(), ids=_IMPOSSIBLE)
def test_a_table_of_a_code_that_cannot_be_is_refused(table: TunedTable, message: str) -> None:
    with pytest.raises(TableError, match=message):
        parse_table(table.to_json())


@pytest.mark.parametrize("text", ["[]", "3", "null"])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(TableError, match="schema must be"):
        parse_table(text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot read the table"):
        read_table(tmp_path / "none.json")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_bytes(b"\xff\xfe")
    with pytest.raises(TableError, match="cannot read the table"):
        read_table(tmp_path / "table.json")


@pytest.mark.parametrize("module", ["__init__.py", "table.py"])
def test_reading_a_table_needs_pydantic_alone(module: str) -> None:
    tree = ast.parse((Path(nercc_tune.export.__path__[0]) / module).read_text(encoding="utf-8"))
    imported = {
        node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    imported |= {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert imported <= _BEYOND_THE_STANDARD_LIBRARY | {
        "__future__",
        "hashlib",
        "json",
        "dataclasses",
        "pathlib",
        "typing",
    }


def test_any_count_within_a_range_has_its_entry() -> None:
    table = random_table()
    first, second = table.entries[:2]
    for count in (first.fewest, first.stragglers):
        assert table.entry(count) == first
    assert table.entry(second.fewest) == second
    with pytest.raises(TableError, match=rf"`stragglers` must be one of the table's counts {first.fewest} to"):
        table.entry(table.entries[-1].stragglers + 1)


def test_tables_of_versions_without_a_field_keep_their_digests() -> None:
    table = tuned_table()
    assert table.digest == "46cda67845ae5aaaf491d31a62bef76b7f396843de8784c870585020b8531e42"
    assert not {"warning", "output_kind"} & set(json.loads(table.to_json())["workload"])


@pytest.mark.parametrize("change", [{"warning": "chance"}, {"output_kind": "probabilities"}])
def test_what_is_special_about_a_workload_read_back_is_equal(change: dict[str, Any]) -> None:
    table = tuned_table()
    special = replace(table, workload=replace(table.workload, **change))
    assert parse_table(special.to_json()) == special
    assert special.digest != table.digest
