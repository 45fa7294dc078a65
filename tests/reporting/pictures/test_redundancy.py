from __future__ import annotations

import pytest

from nercc_tune.reporting.pictures.redundancy import SHOWN, redundancy_rows
from tests.families import redundancy_of, shared_out, worth


def test_a_panel_for_each_measure_and_level_holds_every_code_by_redundancy() -> None:
    redundancy = shared_out()
    rows = redundancy_rows(redundancy, most=4)
    assert [[panel.title for panel in row] for row in rows] == [["S = 5 % of N", "S = 20 % of N"]] * 2
    for row, measure in zip(rows, ("prob_mse", "agreement"), strict=True):
        for panel, level in zip(row, redundancy.levels, strict=True):
            assert panel.measure == measure
            assert list(panel.series) == [code for code in SHOWN if code in level.judged[0].codes]
            for code, points in panel.series.items():
                assert list(points) == [1.2, 1.5, 2.0, 4.0]
                assert list(points.values()) == [getattr(judged.codes[code], measure) for judged in level.judged]


def test_a_code_that_was_not_judged_at_some_workers_has_no_point_there() -> None:
    redundancy = redundancy_of({60: {5: {"tuned": worth(0.9)}}, 100: {5: {"tuned": worth(0.9), "bacc": worth(0.8)}}})
    ((panel,), _) = redundancy_rows(redundancy, most=4)
    assert {code: list(points) for code, points in panel.series.items()} == {"tuned": [1.2, 2.0], "bacc": [2.0]}


@pytest.mark.parametrize(("count", "most"), [(4, 4), (5, 4), (11, 4), (3, 2)])
def test_of_many_levels_the_first_the_last_and_some_between_are_shown(count: int, most: int) -> None:
    redundancy = redundancy_of({60: {s: {"tuned": worth(0.9)} for s in range(1, count + 1)}})
    titles = [panel.title for panel in redundancy_rows(redundancy, most=most)[0]]
    assert len(titles) == len(set(titles)) == min(count, most)
    assert (titles[0], titles[-1]) == ("S = 1", f"S = {count}")
