"""What `bench` does, one step after the other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nercc_tune.cli.printing import print_json
from nercc_tune.cli.reading import read
from nercc_tune.errors import ServiceError, SpecError, TrackingError
from nercc_tune.home import Home
from nercc_tune.launch.crews.ray_cluster import check_address
from nercc_tune.records import to_json
from nercc_tune.reporting.bench_report import write_bench, write_bench_figures
from nercc_tune.reporting.figures import FigureFormat
from nercc_tune.service.asking import read_arrivals
from nercc_tune.service.bench import (
    BenchPlan,
    EngineBench,
    Measure,
    ServiceBench,
    SimulatedBench,
    measure_service,
    run_bench,
    trials,
)
from nercc_tune.service.bench_codes import BenchCode
from nercc_tune.service.bench_machine import blank_results
from nercc_tune.service.bench_results import BenchResults, BenchSettings, Engine, read_results
from nercc_tune.service.bench_target import BenchTarget, load_target, make_rivals, served_table
from nercc_tune.serving import ServedTable
from nercc_tune.terminal.tails import notes_of_bench, tables_of_bench
from nercc_tune.text.console import make_console

_TIMED = 200  # queries on which the simulator's service times are measured
_SERVICE = "service"
_NEW_CLUSTER = "local"


@dataclass(frozen=True, kw_only=True)
class Offered:
    """How much is asked; see `BenchSettings`."""

    rates: tuple[float, ...]
    queries: int
    warm_up: float
    repeats: int
    seed: int

    def __post_init__(self) -> None:
        if not all(0 < rate < float("inf") for rate in self.rates) or len(set(self.rates)) < len(self.rates):
            raise SpecError(f"`--rate` must be positive, each once, but got {', '.join(map(str, self.rates))}.")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under what it is asked; see `BenchSettings`."""

    engine: Engine
    slowness: str
    service_ms: float | None
    max_wait_ms: float
    arrivals: Path | None
    url: str | None

    def __post_init__(self) -> None:
        if self.service_ms is not None and not 0 < self.service_ms < float("inf"):
            raise SpecError(f"`--service-ms` must be positive, but got {self.service_ms}.")
        if self.url is not None and (self.slowness != "none" or self.service_ms is not None):
            raise SpecError("`--url` measures what runs there as it is; leave --slowness and --service-ms out.")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A target, and where tables of other studies are found."""

    target: BenchTarget
    home: Home
    storage: str | None

    def table(self, study: str) -> ServedTable:
        """Return the table of another study of the home."""
        history = read(study, self.home.root, self.storage)
        return served_table(history, self.home.table(history.name), model=self.target.model)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """All that is to be measured.

    Attributes:
        context: In which it is measured.
    """

    settings: BenchSettings
    measure: Measure
    context: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def count(self) -> int:
        """How many measurements there are."""
        return len(list(trials(self.settings)))


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where results go."""

    folder: Path
    tracking: str
    artifacts: Path


def load(study: str, home: Home, storage: str | None, *, allow_code: bool) -> Loaded:
    """Load a finished study with its model."""
    target = load_target(read(study, home.root, storage), home, allow_code=allow_code)
    return Loaded(target=target, home=home, storage=storage)


def prepare(loaded: Loaded, codes: Sequence[BenchCode], *, offered: Offered, conditions: Conditions) -> Measurement:
    """Make all rivals, and refuse now what could not be measured later.

    Raises:
        NerccTuneError: If a rival cannot be had, or the slowness or the arrivals are none.
    """
    target = loaded.target
    entry, workload = target.served.table.entries[0], target.served.table.workload
    given = codes[0].settings.workers if codes else None
    arrivals = None if conditions.arrivals is None else read_arrivals(conditions.arrivals)
    if arrivals is not None and len(arrivals) < offered.queries:
        raise ServiceError(f"the arrivals must be at least {offered.queries} for --queries, but are {len(arrivals)}.")
    settings = BenchSettings(
        target=target.study,
        model=workload.model,
        data=target.data,
        engine=conditions.engine,
        codes=tuple(code.label for code in codes) or (_SERVICE,),
        workers=entry.workers if given is None else given,
        slowness=_without_place(conditions.slowness),
        service_ms=conditions.service_ms,
        max_wait_ms=conditions.max_wait_ms,
        arrivals="poisson" if conditions.arrivals is None else conditions.arrivals.name,
        rates=offered.rates,
        queries=offered.queries,
        warm_up=offered.warm_up,
        repeats=offered.repeats,
        seed=offered.seed,
    )
    rivals = make_rivals(target, codes, tables=loaded.table)
    plan = BenchPlan(
        settings=settings, rivals=rivals, questions=target.questions, arrivals_s=arrivals, slow_by=conditions.slowness
    )
    if conditions.url is None:
        for trial in trials(replace(settings, repeats=1)):
            plan.slowness(trial)
    if conditions.engine == "ray":
        return _on_ray(plan)
    return Measurement(settings=settings, measure=_measure(plan, target, conditions))


def _without_place(slowness: str) -> str:
    """Return what results say of the slowness: a trace by the name of its file, and nothing for none."""
    is_trace = slowness.startswith("trace:") or Path(slowness).is_file()
    if is_trace:
        return f"trace:{Path(slowness.removeprefix('trace:')).name}"
    return "" if slowness == "none" else slowness


def _on_ray(plan: BenchPlan) -> Measurement:
    check_address(_NEW_CLUSTER)
    from nercc_tune.hosting.bench_workers import bench_cluster, ray_workers  # the extra may be missing

    measure = EngineBench(plan=plan, open_workers=ray_workers)
    return Measurement(settings=plan.settings, measure=measure, context=partial(bench_cluster, _NEW_CLUSTER))


def _measure(plan: BenchPlan, target: BenchTarget, conditions: Conditions) -> Measure:
    if conditions.url is not None:
        return ServiceBench(plan=plan, url=conditions.url)
    if conditions.engine == "simulated":
        queries = target.questions.queries[:_TIMED]
        times = measure_service(target.model, queries, service_ms=conditions.service_ms)
        return SimulatedBench(plan=plan, service_s=times)
    return EngineBench(plan=plan)


def new_folder(home: Home, study: str) -> Path:
    """Return a folder of the study for the results of a bench that begins now."""
    return home.study(study) / f"bench-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}"


def run(measurement: Measurement, store: Store) -> BenchResults:
    """Measure all, and write the results after each; Ctrl-C ends it, and what is finished is returned."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    results = blank_results(measurement.settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = make_console(stderr=True)
    with measurement.context(), Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=measurement.count)
        try:
            for found in run_bench(measurement.settings, measurement.measure):
                results = replace(results, runs=(*results.runs, found))
                write_bench(results, store.folder)
                progress.update(task, advance=1, description=f"{found.code} at {found.rate:g}/s")
        except KeyboardInterrupt:
            if not results.runs:
                raise
    return results


def keep(results: BenchResults, store: Store, *, format: FigureFormat) -> None:  # noqa: A002 - the option's name
    """Draw the figures, and write all into MLflow; if that fails the files stay, and why is said."""
    from nercc_tune.tracking.bench import track_bench

    console = make_console(stderr=True)
    files = [write_bench(results, store.folder), *write_bench_figures({"bench": results}, store.folder, format=format)]
    for path in files:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True, markup=False)
    try:
        track_bench(results, url=store.tracking, artifacts=store.artifacts, files=files)
    except TrackingError as error:
        console.print(str(error), style="yellow", highlight=False, soft_wrap=True, markup=False)


def read_all(paths: Sequence[Path]) -> dict[str, BenchResults]:
    """Read results files, each under a name that no other has.

    Raises:
        ServiceError: If one cannot be read, or has no run.
    """
    found: dict[str, BenchResults] = {}
    for path in paths:
        results = read_results(path)
        if not results.runs:
            raise ServiceError(f"`{path}` has no finished measurement; give another file.")
        stem = path.parent.name if path.stem == "bench" and path.parent.name else path.stem
        name = stem if stem not in found else f"{stem} ({len(found) + 1})"
        found[name] = results
    return found


def show(
    results: Mapping[str, BenchResults],
    *,
    output: Path | None,
    format: FigureFormat,  # noqa: A002 - the option's name
    as_json: bool,
) -> None:
    """Print the tables, or JSON, and draw the figures into a folder if one is given."""
    if output is not None:
        for path in write_bench_figures(results, output, format=format):
            make_console(stderr=True).print(f"wrote {path}", highlight=False, soft_wrap=True, markup=False)
    if as_json:
        print_json({name: _described(each) for name, each in results.items()})
        return
    console = make_console()
    for table in tables_of_bench(results):
        console.print(table)
    for name, each in results.items():
        for line in notes_of_bench(each):
            prefix = f"{name}: " if len(results) > 1 else ""
            console.print(prefix + line, highlight=False, soft_wrap=True, markup=False)


def _described(results: BenchResults) -> dict[str, object]:
    """Return the settings and the summary of each code at each rate; of one repeat the intervals have no width."""
    summaries = [
        {"code": code, "repeats": len(setting.runs[code]), "summary": to_json(setting.summary(code))}
        for setting in results.at_rates()
        for code in setting.runs
    ]
    return {"settings": to_json(results.settings), "results": summaries}
