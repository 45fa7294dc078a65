"""Running a study: `launch`, and `worker` to join one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from nercc_tune.cli.app import app
from nercc_tune.cli.options import (
    DEFAULT_HOME,
    CodeOption,
    DataOption,
    HomeOption,
    ProfileOption,
    SetOption,
    StorageOption,
    StudyArgument,
    TrackingOption,
)
from nercc_tune.cli.stopping import end_like_ctrl_c
from nercc_tune.home import Home
from nercc_tune.home.shipped import find_study

if TYPE_CHECKING:
    from nercc_tune.launch.events import LaunchEvents
    from nercc_tune.launch.result import LaunchResult
    from nercc_tune.spec import Family, StudySpec


@app.command()
def launch(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    overrides: SetOption = None,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Search workers; GPUs or CPU threads are divided among them.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Place the workers on a Ray cluster: an address, auto or local."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier results of this study.")] = False,
    allow_code: CodeOption = False,
    profile: ProfileOption = False,
) -> None:
    """Tune a study: search, judge on held-out queries, track in MLflow, write the table.

    Launching again goes on where the last launch stopped. Others may join it with `nercc-tune worker`. A file that
    lists several numbers of workers is a family: a study for each, `NAME-N60`, `NAME-N75` …, one after the other.

    Example: `nercc-tune launch lenet5-digits --set search.trials=20 --workers 2`
    """
    from nercc_tune import terminal
    from nercc_tune.spec import load_family

    end_like_ctrl_c()
    console = terminal.make_console()
    family = load_family(find_study(study), overrides=overrides or ()).placed(
        storage=storage, tracking=tracking, workers=workers, ray=ray
    )
    clock = _Clock()
    with terminal.LaunchProgress(console, family.members[0]):
        from nercc_tune.launch.family import launch_family, write_family  # takes seconds
        from nercc_tune.tuning import hush
    hush()
    place, results, imports = Home(home, data_dir), [], clock.total
    watch = partial(_watch, console, family)
    for result in launch_family(family, place, watch=watch, fresh=fresh, allow_code=allow_code):
        wall = clock.lap()
        _show(console, result, wall=wall, times={"imports": imports, **result.timings.seconds} if profile else None)
        imports = 0.0  # once for all studies
        results.append(result)
        if family.is_single:
            lines = terminal.closing_lines(result, family.members[0], home=home, wall=wall, environment=os.environ)
        else:
            lines = terminal.cost_lines(result, wall=wall)
        console.print(lines, highlight=False, soft_wrap=True)
    if not family.is_single:
        folder = write_family(family, place, results)
        console.rule(f"{family.name}: all numbers of workers", align="left")
        lines = terminal.family_closing_lines(family, folder, home=home, wall=clock.total, environment=os.environ)
        console.print(lines, highlight=False, soft_wrap=True)


@contextmanager
def _watch(console: Console, family: Family, spec: StudySpec) -> Iterator[LaunchEvents]:
    """Show the progress of a study; of several, each under its name."""
    from nercc_tune.terminal import LaunchProgress

    if not family.is_single:
        console.rule(f"{spec.name}: N = {spec.code.workers}", align="left")
    with LaunchProgress(console, spec) as progress:
        yield progress.events


def _show(console: Console, result: LaunchResult, *, wall: float, times: Mapping[str, float] | None) -> None:
    """Show what a study found, what may be wrong with it and, where it is asked for, what took the time."""
    from nercc_tune import terminal

    console.print(terminal.table_of_results(result.table))
    console.print(terminal.policy_lines(result.table), highlight=False)
    wrong = terminal.table_of_wrong_answers(result.table)
    if wrong is not None:
        console.print(wrong)
    for line in terminal.distrust_lines(result.table):
        console.print(line, highlight=False)
    for line in terminal.warnings_of(result.table):
        console.print(line, style="yellow", highlight=False)
    if times is not None:
        console.print(terminal.table_of_times(times, wall))
    if result.tracking_error is not None:
        console.print(str(result.tracking_error), style="yellow", highlight=False)


class _Clock:
    """Measures what several studies take, each and together."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last call, or since the start."""
        before, self._last = self._last, time.perf_counter()
        return self._last - before

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started


@app.command()
def worker(
    study: StudyArgument,
    *,
    storage: StorageOption = None,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    overrides: SetOption = None,
    device: Annotated[str | None, typer.Option("--device", help="In place of the study's: cpu, cuda:1 …")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads of this worker.")] = None,
    allow_code: CodeOption = False,
    profile: ProfileOption = False,
) -> None:
    """Join a study that is being launched, from this or another host, until nothing is left to do.

    A study that is given by its name is read from the storage. The launch tracks, judges and writes the table.

    Example: `nercc-tune worker lenet5-digits --storage postgresql+psycopg://ann@db/optuna`
    """
    from nercc_tune import terminal
    from nercc_tune.home.stores import storage_url
    from nercc_tune.spec import build_study, load_study
    from nercc_tune.tuning import closing_storage, hush, open_existing, stored_spec

    hush()
    end_like_ctrl_c()
    console = terminal.make_console()
    if Path(study).is_file():
        spec = load_study(study, overrides=overrides or ())
        url = storage or storage_url(spec, Home(home))
    else:
        url = storage or Home(home).storage_url
        with closing_storage(open_existing(url)) as opened:
            stored = stored_spec(opened, study)
        spec = build_study(stored.model_dump(mode="json"), overrides=overrides or ())
    place = Home(home, data_dir)
    started = time.perf_counter()
    with terminal.LaunchProgress(console, spec) as progress:
        from nercc_tune.launch.worker import Job, work  # takes seconds

        imports = time.perf_counter() - started
        job = Job(spec=spec, home=place, storage=url, device=device, threads=threads, allow_code=allow_code)
        report = work(job, progress.worker_events)
    if profile:
        seconds = {"imports": imports, **report.seconds}
        console.print(terminal.table_of_times(seconds, time.perf_counter() - started))
    console.print(f"nothing is left to do; {report.forwards:g} forward passes were computed here", highlight=False)
