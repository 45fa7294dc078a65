"""A plan in words."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from nercc_tune.service.plan_record import ServicePlan
from nercc_tune.terminal.planning import lines_of_plan, table_of_plan
from tests.service.plans import offer, service_plan


def test_the_cheapest_the_next_best_and_what_others_cost_are_said() -> None:
    plan = service_plan(offer("coded tiny", agreement=0.997), offer("hedging"), offer("plain"))
    lines = lines_of_plan(plan)
    assert lines[0] == (
        "take 12 workers with coded tiny, wait for 10 answers, 20 ms for a group: "
        "p99 40 [38, 42] ms, agreement 0.9970 [0.9970, 1.0000]"
    )
    assert lines[1].startswith("next best: 15 workers with hedging, later than 90%, at most 10% again: p99 40 [38, 42]")
    assert lines[2] == "plain needs 22"


def test_a_kind_that_does_not_hold_says_what_it_misses() -> None:
    plan = service_plan(offer("parity tiny"), offer("plain", p99_s=0.09, missed=("p99",)))
    assert "4 run each parity network, wait 20 ms for a group" in lines_of_plan(plan)[0]
    assert "plain does not surely hold p99 with any number of workers that was tried" in lines_of_plan(plan)[1]


def test_where_nothing_holds_the_nearest_is_said() -> None:
    plan = service_plan(offer("coded tiny", p99_s=0.06, agreement=0.9, missed=("p99", "agreement")))
    first = lines_of_plan(plan)[0]
    assert first.startswith(
        "nothing surely holds the goals with 64 workers; the nearest fails at p99 and agreement: 12"
    )
    empty = replace(service_plan(), absent={"plain": "64 workers are too slow for 100 queries a second"})
    assert lines_of_plan(empty)[:2] == [
        "nothing keeps up with 100 queries a second on 64 workers",
        "plain: left out, since 64 workers are too slow for 100 queries a second",
    ]


def test_the_table_has_a_row_for_each_kind() -> None:
    plan = service_plan(offer("coded tiny"), offer("hedging"), offer("plain", missed=("p99",)))
    shown = _shown(plan)
    for text in ("coded tiny", "hedging", "plain", "not surely p99", "40 [38, 42]", "p99, ms"):
        assert text in shown
    assert "p99.9" not in shown


def _shown(plan: ServicePlan) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(table_of_plan(plan))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()
