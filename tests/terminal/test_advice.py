from __future__ import annotations

from dataclasses import replace

from nercc_tune import terminal
from nercc_tune.export.advice import advise
from tests.terminal.shown import shown
from tests.variants import random_table


def test_the_advice_is_a_table_with_a_doubt_where_there_is_one() -> None:
    sure, unsure = advise(random_table())[2:]
    text = shown(terminal.table_of_advice([sure, replace(unsure, is_certain=False)]))
    rows = {row.split("│")[1].strip(): row for row in text.splitlines() if row.startswith("│")}
    assert set(rows) == {"41–80", "81–120"}
    assert rows["41–80"].split("│")[-2].strip() == sure.best
    assert rows["81–120"].split("│")[-2].strip() == f"{unsure.best}, probably"
    assert f"{sure.heldout['bacc'].prob_mse.mean:.3g} [" in rows["41–80"]
