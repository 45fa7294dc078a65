from __future__ import annotations

import pytest

from nercc_tune import terminal
from nercc_tune.export.needs import Need, find_need
from nercc_tune.records import Heldout
from tests.families import redundancy_of, worth
from tests.terminal.shown import shown


def _need(floor: float, figures: dict[int, dict[str, Heldout]], *, stragglers: int = 5) -> Need:
    redundancy = redundancy_of({workers: {5: codes} for workers, codes in figures.items()})
    return find_need(redundancy.at_least([stragglers] * len(figures), title=f"S = {stragglers}"), floor)


_FIGURES = {60: {"tuned": worth(0.9)}, 75: {"tuned": worth(0.95), "replication": worth(0.97, reach=0.01)}}


@pytest.mark.parametrize(
    ("floor", "said"),
    [
        (0.93, "agreement ≥ 0.93 at S = 5: 75 workers (N / K = 1.5) with tuned NeRCC: agreement 0.9500"),
        (
            0.965,
            "S = 5: not surely with any code; on average 75 workers (N / K = 1.5) with replication: agreement 0.9700",
        ),
        (0.99, "S = 5: no code keeps it; the nearest is 75 workers (N / K = 1.5) with replication: agreement 0.9700"),
    ],
)
def test_the_answer_is_a_line(floor: float, said: str) -> None:
    line = terminal.line_of_need(_need(floor, _FIGURES))
    assert said in line
    assert "MSE in probabilities 0.01 [0.005, 0.02] (fam-N75, S = 5)" in line
    assert "\n" not in line


def test_what_was_not_judged_with_so_many_is_said() -> None:
    redundancy = redundancy_of(
        {60: {5: {"tuned": worth(1.0)}}, 100: {5: {"tuned": worth(0.9)}, 20: {"tuned": worth(1.0)}}}
    )
    line = terminal.line_of_need(find_need(redundancy.at_least([10, 10], title="S = 10"), 0.9))
    assert line.startswith("agreement ≥ 0.9 at S = 10, or the next above that was judged: 100 workers")
    assert line.endswith("(fam-N100, S = 20); N = 60 not judged with so many stragglers")


def test_the_best_code_at_each_number_of_workers_is_a_row() -> None:
    text = shown(terminal.table_of_needs([_need(0.93, _FIGURES), _need(0.99, _FIGURES, stragglers=4)]))
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in text.splitlines() if row.startswith("│")]
    assert [row[0] for row in rows] == ["S = 5", "", "S = 4, or the next above that was judged", ""]
    assert [row[1:5] for row in rows[:2]] == [["60", "1.2", "5", "tuned NeRCC"], ["75", "1.5", "5", "tuned NeRCC"]]
    assert [row[-1] for row in rows] == ["does not hold", "holds", "does not hold", "does not hold"]
