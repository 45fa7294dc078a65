from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from nercc_tune.export.accuracies import accuracy_block
from nercc_tune.export.availability import compare_availability
from nercc_tune.export.formats import export_table
from nercc_tune.export.frame import table_frame
from nercc_tune.export.table import TunedTable, parse_table
from nercc_tune.records import BASELINES, RIVALS, TOLD_SHARE, Interval
from tests.builders import tuned_table
from tests.variants import random_table, with_availability, with_frozen


@pytest.fixture(scope="module")
def table() -> TunedTable:
    return with_availability(tuned_table())


def test_the_codes_of_the_least_count_are_compared(table: TunedTable) -> None:
    found = compare_availability(table)
    assert found is not None
    assert found.count == "20"
    assert list(found.codes) == ["tuned", "policy", *BASELINES]
    first = table.entries[0]
    assert found.codes["tuned"] is first.heldout.availability
    assert found.codes["policy"] is table.policy.entries[0].heldout.availability
    assert found.codes["default"] is first.baselines["default"].availability


def test_without_stragglers_nothing_is_compared(table: TunedTable) -> None:
    without = replace(table.entries[0], stragglers=0, fewest=0)
    found = compare_availability(replace(table, entries=(without, *table.entries[1:])))
    assert found is not None
    assert found.count == "40"
    assert compare_availability(replace(table, entries=(without,))) is None


def test_a_count_at_which_no_code_degrades_a_query_is_passed_over(table: TunedTable) -> None:
    first = replace(table.entries[0], baselines={})
    policy = replace(table.policy, entries=table.policy.entries[1:])
    found = compare_availability(replace(table, entries=(first, *table.entries[1:]), policy=policy))
    assert found is not None
    assert found.count == "40"


def test_a_range_is_written_as_one(table: TunedTable) -> None:
    first = replace(table.entries[0], fewest=0)
    found = compare_availability(replace(table, entries=(first, *table.entries[1:])))
    assert found is not None
    assert found.count == "0–20"


@pytest.mark.parametrize("older", [tuned_table(), random_table()])
def test_a_table_in_which_nothing_was_measured_has_nothing_to_compare(older: TunedTable) -> None:
    assert compare_availability(older) is None
    assert accuracy_block(older) is None
    assert "A_d" not in export_table(older, format="markdown").decode()


def test_markdown_tells_the_accuracies_of_every_code(table: TunedTable) -> None:
    text = export_table(table, format="markdown").decode()
    block = text.partition("**Accuracy at S = 20**")[2]
    assert "| code | A_a | A_d | φ at f = 10 % | A_o at f = 10 % |" in block
    assert "| tuned NeRCC | 0.980 [0.970, 0.992] | – | 0.0001 | – |" in block
    assert "| uncoded | 0.980 [0.970, 0.992] | 0.180 [0.162, 0.202] | 0.1 | 0.900 [0.889, 0.913] |" in block
    assert "| default prediction |" in block
    assert "MSE of default prediction" not in text


def test_latex_has_the_three_blocks_that_its_caption_names(table: TunedTable) -> None:
    assert export_table(table, format="latex").decode().count(r"\begin{tabular}") == 3


def _columns(name: str, figure: Interval | None) -> dict[str, float]:
    mean, low, high = (figure.mean, figure.low, figure.high) if figure else (math.nan,) * 3
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def test_the_frame_holds_the_accuracies_of_every_code(table: TunedTable) -> None:
    frame = table_frame(table)
    for at, entry in enumerate(table.entries):
        judged = {"heldout": entry.heldout, "policy": table.policy.entries[at].heldout, **entry.baselines}
        for prefix, heldout in judged.items():
            assert heldout.availability is not None
            expected = {f"{prefix}_exposure": heldout.availability.exposure(TOLD_SHARE)}
            for name, figure in heldout.availability.figures().items():
                expected |= _columns(f"{prefix}_{name}", figure)
            assert len(expected) == 10
            for name, value in expected.items():
                assert frame[name][at] == pytest.approx(value, nan_ok=True, rel=1e-15)
    assert table_frame(tuned_table())["heldout_degraded_accuracy"].isna().all()


def test_a_table_with_accuracies_read_back_is_equal(table: TunedTable) -> None:
    assert parse_table(table.to_json()) == table
    assert table.digest != tuned_table().digest


def test_a_table_of_a_version_without_them_keeps_its_digest() -> None:
    older = tuned_table()
    values = json.loads(older.to_json())
    assert not any("availability" in heldout for heldout in _heldouts(values))
    assert "default" not in values["entries"][0]["baselines"]
    assert parse_table(json.dumps(values)).digest == older.digest


def _heldouts(values: dict[str, object]) -> list[dict[str, object]]:
    """Return every part of a table's content that is held-out figures."""
    found, left = [], [values]
    while left:
        part = left.pop()
        inner = [item for value in part.values() for item in (value if isinstance(value, list) else [value])]
        left += [item for item in inner if isinstance(item, dict)]
        found += [part] if {"mse", "rel_acc", "agreement"} <= set(part) and "accuracy" not in part else []
    assert found
    return found


def test_the_default_prediction_is_no_rival(table: TunedTable) -> None:
    assert set(BASELINES) - set(RIVALS) == {"default"}
    text = export_table(with_frozen(table), format="markdown").decode()
    head = next(line for line in text.splitlines() if line.startswith("| S | MSE of BACC"))
    assert head.count("|") == 7
