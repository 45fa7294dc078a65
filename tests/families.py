"""Families of studies: tables with given figures at several N, and a tiny family that was launched."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import copytree

import pytest

from nercc_tune.export.redundancy import Redundancy
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home
from nercc_tune.launch.events import LaunchEvents
from nercc_tune.launch.family import launch_family, write_family
from nercc_tune.launch.result import LaunchResult
from nercc_tune.records import Heldout, Interval
from nercc_tune.spec import Family, build_family
from tests.builders import heldout, tuned_table
from tests.fakes import TINY, loader, scratch, tiny_home, tiny_workload

FAMILY = TINY.replace("workers = 12\nstragglers = [2, 4]", "workers = [10, 20]\nstraggler_shares = [0.1, 0.3]").replace(
    "trials = 6", "trials = 1"
)


def tiny_family(*overrides: str) -> Family:
    return build_family(tomllib.loads(FAMILY), overrides=overrides)


def worth(agreement: float, *, reach: float = 0.0, prob_mse: float = 0.01) -> Heldout:
    """Return held-out figures with a given agreement, whose interval reaches as far on both sides."""
    share = Interval(mean=agreement, low=agreement - reach, high=min(1.0, agreement + reach))
    return replace(heldout(1.0), agreement=share, prob_mse=Interval(mean=prob_mse, low=prob_mse / 2, high=2 * prob_mse))


def table_at(workers: int, figures: Mapping[int, Mapping[str, Heldout]]) -> TunedTable:
    """Return the table of a family's study for N workers: by S, what each code is worth."""
    counts = tuple(sorted(figures))
    table = tuned_table(stragglers=counts)
    entries = []
    for entry in table.entries:
        codes = dict(figures[entry.stragglers])
        entries.append(replace(entry, workers=workers, heldout=codes.pop("tuned"), baselines=codes))
    return replace(table, study=f"fam-N{workers}", entries=tuple(entries))


def redundancy_of(figures: Mapping[int, Mapping[int, Mapping[str, Heldout]]]) -> Redundancy:
    """Return a family with figures by N, by S and by code."""
    return Redundancy.of("fam", [table_at(workers, by_count) for workers, by_count in figures.items()])


def shared_out(workers: Sequence[int] = (60, 75, 100, 200)) -> Redundancy:
    """Return a family at a twentieth and at a fifth of stragglers; the less there are of them, the better it does."""

    def codes(share: float, count: int) -> dict[str, Heldout]:
        loss = share * 50 / count
        figures = {
            "tuned": 0.2 * loss,
            "bacc": 0.5 * loss,
            "nercc_ag": 0.4 * loss,
            "replication": 0.3 * loss,
            "uncoded": share,
        }
        return {code: worth(1 - error, reach=error / 4, prob_mse=2 * error) for code, error in figures.items()}

    return redundancy_of(
        {count: {round(share * count): codes(share, count) for share in (0.05, 0.2)} for count in workers}
    )


def finished_family_home(folder: Path) -> Home:
    """Return a home in which the tiny family was launched to its end: a copy of one that all tests share."""
    copytree(_finished()[0], folder, dirs_exist_ok=True)
    return Home(folder)


def finished_family() -> tuple[LaunchResult, ...]:
    """Return what that launch gave, ascending in N."""
    return _finished()[1]


@cache
def _finished() -> tuple[Path, tuple[LaunchResult, ...]]:
    home, family = tiny_home(scratch() / "home"), tiny_family()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home.root)  # outside a checkout, whose commit is a part of the table
        patch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
        results = tuple(launch_family(family, home, watch=lambda _: nullcontext(LaunchEvents())))
        write_family(family, home, results)
    return home.root, results
