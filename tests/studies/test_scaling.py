from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from studies.scaling import comparing
from studies.scaling.__main__ import measure
from studies.scaling.clock import Clock, Resource
from studies.scaling.comparing import CELLS, FORWARDS_S, TRIPS_S, point, sweep
from studies.scaling.costs import COSTS, OPERATIONS, READINGS, Cost, Costs
from studies.scaling.engine import PAUSES_S, SPREAD, USUAL, Setting, Simulation, Trials
from studies.scaling.showing import draw, efficiency_table

FREE = dict.fromkeys((*OPERATIONS, *READINGS), Cost())


def simulated(costs: Costs = COSTS, *, spread: float = SPREAD, **changed: Any) -> Simulation:
    usual = {"workers": 4, "proposals": 80, "forward_s": 1.0, "decode_s": 0.0}
    return Simulation(Setting(**(usual | changed)), costs, spread=spread)


@pytest.mark.parametrize("cells", [1, 5])
def test_one_worker_has_efficiency_one(cells: int) -> None:
    alone = point(Setting(workers=1, proposals=20, forward_s=2.0, cells=cells), COSTS)
    assert alone.efficiency == 1.0


def test_one_worker_takes_the_sum_of_all_that_it_does() -> None:
    costs = FREE | {"take": Cost(cpu_s=0.1, server_s=0.2, trips=3.0, held_trips=1.0)}
    costs["finish"] = Cost(cpu_s=0.01, growth_s=0.001)
    alone = simulated(costs, spread=0.0, workers=1, proposals=10, trip_s=0.05, decode_s=0.5)
    growth = 0.001 * sum(range(1, 11))
    assert alone.total_s == pytest.approx(9 * 1.0 + 10 * (0.5 + 0.1 + 0.2 + 3 * 0.05 + 0.01) + growth)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 16, 64])
def test_a_free_storage_costs_nothing_but_the_end(workers: int) -> None:
    total = simulated(FREE, spread=0.0, workers=workers, proposals=150).total_s
    # Proposal 1 takes its outputs from proposal 0: its worker waits for them, and looks again up to a second late.
    assert 149 / workers <= total <= math.ceil(149 / workers) + 1.0 + PAUSES_S[1]


@pytest.mark.parametrize("where", ["take", "finish"])
def test_throughput_is_below_the_serial_bound_and_reaches_it(where: str) -> None:
    costs = FREE | {where: Cost(server_s=0.05, held_server_s=0.05 if where == "take" else 0.0)}
    ends = simulated(costs, workers=100, proposals=400, cores=1 if where == "finish" else 8).ends
    rate = (len(ends) - 1) / (ends[-1] - ends[0])
    assert rate <= 1 / 0.05 + 1e-9
    assert rate > 0.8 / 0.05  # the first and the last forward lie outside


def test_a_round_trip_under_the_lock_is_serial_and_another_is_not() -> None:
    held = FREE | {"take": Cost(trips=5.0, held_trips=5.0)}
    free = FREE | {"take": Cost(trips=5.0)}
    slow, fast = (simulated(costs, workers=100, proposals=400, trip_s=0.01).total_s for costs in (held, free))
    assert slow >= 400 * 5 * 0.01
    assert fast < 0.5 * slow


def test_the_locks_of_cells_are_apart() -> None:
    costs = FREE | {"sample": Cost(server_s=0.1, held_server_s=0.1)}
    one, five = (simulated(costs, workers=50, proposals=302, cells=cells, cores=64) for cells in (1, 5))
    assert one.total_s >= 300 * 0.1
    assert five.total_s < one.total_s / 3


def test_more_workers_never_take_longer_where_reading_does_not_grow_with_them() -> None:
    costs = {**COSTS, **dict.fromkeys(READINGS, Cost())}
    totals = [simulated(costs, workers=workers, proposals=200, cells=2).total_s for workers in (1, 2, 4, 8, 16)]
    for fewer, more in pairwise(totals):
        # List scheduling may move the longest forward to the end, and a worker looks for a plan up to a second late.
        assert more <= fewer + 1.0 * math.exp(4 * SPREAD) + PAUSES_S[1]


def test_what_is_unfinished_is_read_again() -> None:
    trials = Trials(lock=Resource(Clock()), begun=10, ended=4)
    assert trials.read(0) == 10 - USUAL
    assert trials.read(0) == 6 - USUAL
    trials.begun, trials.ended = 13, 11
    assert trials.read(0) == 3 + 6 - USUAL
    assert trials.read(0) == 0


def test_proposals_that_share_an_encoder_have_one_forward_and_one_waits_for_it() -> None:
    both = simulated(FREE, spread=0.0, workers=2, proposals=2)
    assert both.spent["forward"] == 1.0
    assert 1.0 <= both.total_s == both.spent["plan"] <= 1.0 + PAUSES_S[1]


def test_the_database_serves_as_many_at_a_time_as_it_has_cores() -> None:
    costs = FREE | {"sample": Cost(server_s=0.5)}  # of proposals 2 and 3
    two, one = (simulated(costs, workers=4, proposals=4, cores=cores) for cores in (2, 1))
    assert two.spent["queue"] == 0.0
    assert one.spent["queue"] == pytest.approx(0.5)


def test_all_that_workers_do_adds_up() -> None:
    run = simulated(workers=8, cells=5, proposals=160)
    assert sum(run.spent.values()) == pytest.approx(8 * run.total_s)
    assert run.spent["end"] >= 0
    assert len(run.ends) == 160


def test_a_seed_gives_the_same_study_and_another_seed_another_one() -> None:
    first, again, other = (simulated(workers=8, seed=seed).ends for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_efficiency_falls_with_the_round_trip_and_rises_with_the_forward() -> None:
    usual = Setting(workers=32, proposals=320, forward_s=2.0)
    near, far = (point(replace(usual, trip_s=trip_s), COSTS) for trip_s in (0.0002, 0.01))
    long = point(replace(usual, forward_s=60.0), COSTS)
    assert far.efficiency < near.efficiency < long.efficiency


def test_the_table_and_the_figure_have_all_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "WORKERS", (1, 2))
    monkeypatch.setattr(comparing, "EACH", 3)
    curves = sweep(COSTS, cores=4, seed=0)
    settings = len(CELLS) * len(FORWARDS_S) * len(TRIPS_S)
    assert efficiency_table(curves).count("\n") == 2 + settings
    assert sum(len(axes.lines) - 1 for axes in draw(curves).axes) == settings


def test_measuring_runs_the_real_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure(storage=f"sqlite:///{tmp_path}/optuna.db", proposals=3, output=tmp_path / "costs.json")
    costs = json.loads((tmp_path / "costs.json").read_text(encoding="utf-8"))
    assert set(costs) == {*OPERATIONS, *READINGS}
    assert all(costs[name]["cpu_s"] > 0 and costs[name]["trips"] > 0 for name in OPERATIONS)
    assert capsys.readouterr().out.count("| take |") == 2
