from __future__ import annotations

from nercc_tune import terminal
from tests.terminal.shown import shown


def test_times_add_up_to_the_wall_time() -> None:
    text = shown(terminal.table_of_times({"forward": 3.0, "decode": 0.5}, 4.0))
    assert "forward │    3.00 │  75.0%" in text
    assert "other   │    0.50 │  12.5%" in text
