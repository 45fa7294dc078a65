"""The efficiency of many workers, against one that has the study to itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from .costs import Costs
from .engine import LOSSES, Setting, Simulation

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
FORWARDS_S = (0.5, 2.0, 10.0, 60.0)
TRIPS_S = (0.0002, 0.001, 0.01)  # a round trip in a rack, in a building, between sites
CELLS = (1, 5)
EACH = 20  # proposals for each worker


@dataclass(frozen=True, kw_only=True)
class Point:
    """The efficiency of some workers, and what cost most of what is missing."""

    workers: int
    efficiency: float
    loss: str


Curves = dict[tuple[int, float, float], list[Point]]
"""By cells, forward and round trip."""


def point(setting: Setting, costs: Costs) -> Point:
    """Compare workers with one of them that has all of the study to itself."""
    alone, together = (Simulation(replace(setting, workers=number), costs) for number in (1, setting.workers))
    efficiency = alone.total_s / (setting.workers * together.total_s)
    lost = {name: together.spent[name] - alone.spent[name] for name in LOSSES}
    return Point(workers=setting.workers, efficiency=efficiency, loss=max(LOSSES, key=lost.__getitem__))


def sweep(costs: Costs, *, cores: int, seed: int) -> Curves:
    """Simulate all numbers of workers for all numbers of cells, forwards and round trips."""
    curves: Curves = {}
    for cells, forward_s, trip_s, workers in product(CELLS, FORWARDS_S, TRIPS_S, WORKERS):
        setting = Setting(
            workers=workers,
            proposals=EACH * workers,
            forward_s=forward_s,
            trip_s=trip_s,
            cells=cells,
            cores=cores,
            seed=seed,
        )
        curves.setdefault((cells, forward_s, trip_s), []).append(point(setting, costs))
    return curves
