"""Launching the studies of a family one after the other, on one loaded workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from nercc_tune.export.redundancy import Redundancy
from nercc_tune.home import Home
from nercc_tune.inference import Features, Inference
from nercc_tune.launch.checks import check_launch
from nercc_tune.launch.events import LaunchEvents
from nercc_tune.launch.pipeline import load, run
from nercc_tune.launch.preparation import Preparation
from nercc_tune.launch.result import LaunchResult
from nercc_tune.spec import Family, StudySpec
from nercc_tune.workloads import keeping_queries

__all__ = ["launch_family", "write_family"]

Watch = Callable[[StudySpec], AbstractContextManager[LaunchEvents]]


def launch_family(
    family: Family,
    home: Home,
    *,
    watch: Watch,
    fresh: bool = False,
    features: Features | None = None,
    allow_code: bool = False,
) -> Iterator[LaunchResult]:
    """Launch each study of a family as `nercc_tune.launch.pipeline.launch` does, and yield its result.

    All of them are checked before anything of the first is written. They share what does not depend on N: the model is
    loaded once, each query decoded once, and the outputs on plain queries are kept under the same key, since all draw
    the same groups. A study's table is that of a launch of its own.

    Args:
        family: The studies.
        home: Where everything is kept.
        watch: Gives what to call while a study runs; entered before its first step and left before its result is
            yielded.
        fresh: Forget earlier results of these studies.
        features: As for `launch`.
        allow_code: As for `launch`.

    Raises:
        NerccTuneError: If something of a study cannot be used.
        KeyboardInterrupt: If the user stops it; launching again goes on from there.
    """
    relay = _Relay()
    preparations = [
        Preparation(
            spec=spec,
            home=home,
            features=features,
            allow_code=allow_code,
            notify=relay.stage,
            notice=relay.notice,
            progress=relay.training,
        )
        for spec in family.members
    ]
    loaded: Inference | None = None
    for preparation in preparations:
        with watch(preparation.spec) as events:
            relay.events = events
            if loaded is None:
                for each in preparations:
                    with each.timings.measure("checks"):
                        check_launch(each, fresh=fresh)
                loaded = load(preparation, events)
                if len(preparations) > 1:
                    loaded = replace(loaded, workload=keeping_queries(loaded.workload))
            else:
                loaded = preparation.load_beside(loaded)
            result = run(preparation, loaded, events, fresh=fresh)
        yield result


def write_family(family: Family, home: Home, results: Sequence[LaunchResult]) -> Path:
    """Write error and agreement against N / K into the family's folder, and return it.

    Raises:
        HomeError: If a file cannot be written.
    """
    from nercc_tune.reporting.redundancy_report import write_redundancy  # noqa: PLC0415 - imports Matplotlib

    folder = home.study(family.name)
    write_redundancy(Redundancy.of(family.name, [result.table for result in results]), folder)
    return folder


class _Relay:
    """Tells whoever watches now: preparations are made before their studies are watched."""

    def __init__(self) -> None:
        self.events = LaunchEvents()

    def stage(self, text: str) -> None:
        self.events.stage(text)

    def notice(self, text: str) -> None:
        self.events.notice(text)

    def training(self, done: int, total: int, text: str) -> None:
        self.events.training(done, total, text)
