"""How many search workers one database serves: what the protocol costs, and a simulation of up to 256 workers.

`uv run python studies/scaling.py measure --storage URL` runs the real protocol without a model and prints what each of
its operations costs; `uv run python studies/scaling.py simulate` prints the efficiency against the number of workers,
and draws them.

The time at the database is the wall time of an operation less the CPU time of its client, flushes included, and takes
one core of the database. Optuna locks the row of its study while it makes a trial: that part, its round trips
included, is serial for the ledger and for each cell. Whatever was new or unfinished when a worker read last is read
again, so that reading grows with the number of workers, and a worker goes through all proposals that there are.
"""

from __future__ import annotations

import heapq
import json
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import count, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import optuna
import sqlalchemy
import typer
from matplotlib.figure import Figure
from optuna.storages import RDBStorage, get_storage

from nercc_tune.records import Cell, Score, TrialRecord, WorkloadInfo, to_json
from nercc_tune.reporting.style import INK, cell_colours, dress, legend_above, new_figure
from nercc_tune.spec import StudySpec, build_study
from nercc_tune.tuning import Ledger, Progress, Proposals, closing_storage, hush, open_cells, open_storage

FIGURE = Path(__file__).parent / "figures" / "scaling.png"
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
FORWARDS_S = (0.5, 2.0, 10.0, 60.0)
TRIPS_S = (0.0002, 0.001, 0.01)  # a round trip in a rack, in a building, between sites
CELLS = (1, 5)
EACH = 20  # proposals for each worker
SPREAD = 0.1  # of the logarithm of a forward
GOAL = 0.9
DESIGNED = 2  # proposals 0 and 1 share an encoder, and no sampler makes them
SWEEP_S, PAUSES_S = 10.0, (0.02, 1.0)  # default of `storage.heartbeat_s`, and the pauses of nercc_tune.tuning.search
REREADINGS = 5
USUAL = 2  # trials that a lone worker reads each time: its last one and the new one
BEGINNING, ENDING = ("take", "sample", "add"), ("tell", "add", "finish")
READING = ("sweep", "refresh", "take", "sample", "look", "add")
OPERATIONS = ("refresh", "take", "sample", "plan", "look", "tell", "add", "finish", "sweep")
READINGS = ("lease", "trial", "record")

Moment = tuple[float, float, float]
"""Wall seconds, CPU seconds, round trips."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an operation costs.

    Attributes:
        cpu_s: CPU time of the client; `server_s` is the time at the database, `trips` are round trips.
        held_cpu_s: The part of `cpu_s` under Optuna's lock of a study; likewise `held_server_s` and `held_trips`.
        growth_s: CPU time that each proposal of the study adds.
    """

    cpu_s: float = 0.0
    server_s: float = 0.0
    trips: float = 0.0
    held_cpu_s: float = 0.0
    held_server_s: float = 0.0
    held_trips: float = 0.0
    growth_s: float = 0.0


Costs = Mapping[str, Cost]
"""By `OPERATIONS`, `refresh` for one cell; and by `READINGS`, what one more to read adds."""

PARTS = tuple(item.name for item in fields(Cost))[:-1]
COSTS: Costs = {
    "sweep": Cost(cpu_s=0.00337, server_s=0.000963, trips=17.0, growth_s=3.06e-05),
    "refresh": Cost(cpu_s=0.00399, server_s=0.000619, trips=11.0, growth_s=7.87e-06),
    "take": Cost(
        cpu_s=0.0104,
        server_s=0.00241,
        trips=27.0,
        held_cpu_s=0.00363,
        held_server_s=0.000944,
        held_trips=6.0,
        growth_s=8.27e-06,
    ),
    "sample": Cost(
        cpu_s=0.0246,
        server_s=0.005,
        trips=70.0,
        held_cpu_s=0.00362,
        held_server_s=0.000932,
        held_trips=6.0,
        growth_s=3.53e-05,
    ),
    "plan": Cost(cpu_s=0.0018, server_s=0.000554, trips=6.0),
    "look": Cost(cpu_s=0.00424, server_s=0.000596, trips=11.0, growth_s=1.17e-05),
    "tell": Cost(cpu_s=0.00602, server_s=0.00187, trips=20.0),
    "add": Cost(
        cpu_s=0.0143,
        server_s=0.00362,
        trips=37.0,
        held_cpu_s=0.00775,
        held_server_s=0.00189,
        held_trips=14.0,
        growth_s=2.48e-05,
    ),
    "finish": Cost(cpu_s=0.00235, server_s=0.000717, trips=8.0),
    "lease": Cost(cpu_s=0.000188, server_s=3.36e-05),
    "trial": Cost(cpu_s=0.000264, server_s=4.32e-05),
    "record": Cost(cpu_s=0.000256, server_s=2.69e-05),
}
"""What `measure` said of five cells in PostgreSQL 16, which flushed each commit, on the same machine of two cores."""
LOSSES = {
    "lock": "waiting for the lock of a study",
    "queue": "waiting for the database",
    "reading": "reading what others did",
    "growth": "going through all proposals",
    "plan": "waiting for the plans of others",
    "client": "client",
    "database": "database",
    "network": "network",
    "decoding": "decoding",
    "forward": "forward",
    "end": "waiting for the last one",
}
FREE: Costs = dict.fromkeys((*OPERATIONS, *READINGS), Cost())


class Meter:
    """Times operations on a storage, counts their round trips, and sees when the lock of a study is held."""

    def __init__(self, storage: RDBStorage) -> None:
        self.samples: dict[str, list[tuple[Moment, Moment]]] = {}
        self._trips = 0
        self._since: Moment | None = None
        self._held: Moment = (0.0, 0.0, 0.0)
        for event in ("begin", "before_cursor_execute"):
            sqlalchemy.event.listen(storage.engine, event, self._count)
        sqlalchemy.event.listen(storage.engine, "after_cursor_execute", self._look)
        dialect = storage.engine.dialect
        for name in ("do_ping", "do_commit", "do_rollback"):
            setattr(dialect, name, self._counted(getattr(dialect, name)))

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add a sample of an operation: the whole, and the part under a lock."""
        self._held, start = (0.0, 0.0, 0.0), self._now()
        yield
        self.samples.setdefault(name, []).append((_minus(self._now(), start), self._held))

    def cost(self, name: str, *, quantile: float = 0.5) -> Cost:
        """Return a quantile of each part of an operation's cost."""
        whole, held = np.moveaxis(np.array(self.samples[name]), 1, 0)
        parts = [values for wall, cpu, trips in (whole.T, held.T) for values in (cpu, wall - cpu, trips)]
        return Cost(**{part: float(np.quantile(values, quantile)) for part, values in zip(PARTS, parts, strict=True)})

    def fitted(self, name: str) -> Cost:
        """Return the median cost; where all proposals are gone through, with the growth of the CPU time in them."""
        cost, each = self.cost(name), [cpu for (_, cpu, _), _ in self.samples[name]]
        half, proposals = len(each) // 2, len(self.samples["take"])
        if name not in READING or half == 0:
            return cost
        growth = max(0.0, (median(each[half:]) - median(each[:half])) / (proposals / 2))
        return replace(cost, cpu_s=cost.cpu_s - growth * proposals / 2, growth_s=growth)

    def _now(self) -> Moment:
        return time.perf_counter(), time.thread_time(), self._trips

    def _count(self, *_: object) -> None:
        self._trips += 1

    def _look(self, *event: Any) -> None:
        if "FROM studies" in event[2] and "FOR UPDATE" in event[2]:
            self._since = self._now()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._trips += 1
            answer = call(*arguments)
            if self._since is not None:
                self._held, self._since = _minus(self._now(), self._since), None
            return answer

        return counted


def measure_protocol(url: str, *, cells: int, proposals: int) -> Meter:
    """Bring proposals to all cells as a search worker does, without a model, and then read all of them anew."""
    spec = _spec(cells, proposals)
    with closing_storage(open_storage(url)) as storage:
        progress = _progress(storage, spec)
        progress.refresh()
        meter = Meter(storage)
        for number in range(proposals):
            _bring(progress, meter, is_sweep=number % EACH == 0)
    for _ in range(REREADINGS):
        with closing_storage(open_storage(url)) as storage:
            _reread(_progress(storage, spec), storage, meter.samples)
    return meter


def _reread(progress: Progress, storage: RDBStorage, samples: dict[str, list[tuple[Moment, Moment]]]) -> None:
    """Add what one lease, trial and record costs where all are read at once."""
    reader, study = Meter(storage), next(iter(progress.proposals.studies.values()))
    trials = optuna.load_study(study_name=study.cell.name, storage=get_storage(storage))
    total = progress.proposals.spec.search.trials
    readings = (progress.ledger.finished, lambda: trials.get_trials(deepcopy=False), study.records)
    for name, read in zip(READINGS, readings, strict=True):
        with reader.measure(name):
            read()
        (((wall, cpu, _), held),) = reader.samples[name]
        samples.setdefault(name, []).append(((wall / total, cpu / total, 0.0), held))


def _bring(progress: Progress, meter: Meter, *, is_sweep: bool) -> None:
    """Do all that `Search` does for one proposal, except for the forward and the decoding."""
    ledger, proposals = progress.ledger, progress.proposals
    if is_sweep:
        with meter.measure("sweep"):
            ledger.sweep()
    with meter.measure("refresh"):
        progress.refresh()
    with meter.measure("take"):
        lease = ledger.take(budget=proposals.budget, may_begin=True)
    if lease is None:
        raise RuntimeError("The budget is used up.")
    with meter.measure("sample"):
        sampled = proposals.sample(lease.proposal + DESIGNED, planned=None)
    owner = sampled.proposal.proposed_for
    with meter.measure("plan"):
        ledger.note_plan(lease, to_json(sampled.proposal))
    with meter.measure("look"):
        ledger.holds(lease)
    for stragglers, study in proposals.studies.items():
        record = _record(study.cell, sampled.proposal.number, sampled.proposal.encoding.lambda_enc)
        if stragglers == owner:
            with meter.measure("tell"):
                proposals.give_rest(sampled, record)
                progress.keep(stragglers, study.tell(sampled.trial, record))
        else:
            with meter.measure("add"):
                progress.keep(stragglers, study.add(record))
    with meter.measure("finish"):
        ledger.finish(lease)


def _spec(cells: int, proposals: int) -> StudySpec:
    return build_study(
        {
            "name": f"scaling-{cells}",
            "workload": {"model": "lenet5", "data": "mnist"},
            "code": {"queries": 50, "workers": 200, "stragglers": [20 * (cell + 1) for cell in range(cells)]},
            "search": {"trials": proposals, "patience": 0},
        }
    )


def _progress(storage: RDBStorage, spec: StudySpec) -> Progress:
    shape: dict[str, Any] = {"study": spec.name, "model": "lenet5", "data": "mnist", "queries": 50, "workers": 200}
    cells = [Cell(**shape, stragglers=lost, fewest=lost, weight=1.0) for lost in spec.code.stragglers]
    info = WorkloadInfo(
        model="lenet5",
        data="mnist",
        fingerprint="0" * 64,
        weights_source="none",
        query_shape=(1, 32, 32),
        outputs=10,
        uncoded_accuracy=1.0,
    )
    studies = open_cells(storage, spec, cells, info)
    return Progress(proposals=Proposals(spec=spec, studies=studies), ledger=Ledger(storage, spec.name))


def _record(cell: Cell, proposal: int, lambda_enc: float) -> TrialRecord:
    """Return a record as large as usual: a score and the profile of 57 λ_dec."""
    worth = abs(np.sin(proposal)) + 0.1
    names = [item.name for item in fields(Score)]
    return TrialRecord(
        uid=f"{cell.name}#{proposal}",
        number=0,
        proposal=proposal,
        proposed_for=cell.stragglers,
        lambda_enc=lambda_enc,
        lambda_dec=1e-9,
        score=Score(**dict.fromkeys(names, float(worth))),
        profile=tuple(float(value) for value in worth * np.linspace(1, 2, 57)),
        started_ms=0,
        finished_ms=1,
    )


def _minus(later: Moment, earlier: Moment) -> Moment:
    return later[0] - earlier[0], later[1] - earlier[1], later[2] - earlier[2]


class Clock:
    """Runs processes: each yields the seconds that it takes, or the resource that it needs."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Process]] = []
        self._order = count()

    def wake(self, process: Process, delay_s: float = 0.0) -> None:
        """Go on with a process later."""
        heapq.heappush(self._due, (self.now + delay_s, next(self._order), process))

    def run(self) -> None:
        """Go on until all processes have ended."""
        while self._due:
            self.now, _, process = heapq.heappop(self._due)
            request = next(process, None)
            if isinstance(request, Resource):
                request.give(process)
            elif request is not None:
                self.wake(process, request)


class Resource:
    """Servers that processes queue for, first come, first served."""

    def __init__(self, clock: Clock, *, servers: int = 1) -> None:
        self._free, self._clock = servers, clock
        self._queue: deque[Process] = deque()

    def give(self, process: Process) -> None:
        """Let a process go on once a server is free."""
        if self._free > 0:
            self._free -= 1
            self._clock.wake(process)
        else:
            self._queue.append(process)

    def release(self) -> None:
        """Give a server back, or to the next in the queue."""
        if self._queue:
            self._clock.wake(self._queue.popleft())
        else:
            self._free += 1


Process = Generator[float | Resource, None, int]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A study, and the machines that search it.

    Attributes:
        forward_s: Mean time of a forward; `decode_s` is that of decoding one cell.
        trip_s: Round trip to the database.
        cores: Those of the database; with `is_shared` the workers have no others.
    """

    workers: int
    proposals: int
    forward_s: float
    trip_s: float = TRIPS_S[0]
    cells: int = 1
    cores: int = 4
    decode_s: float = 0.08  # studies/README.md, "What a search costs"
    seed: int = 0
    is_shared: bool = False


@dataclass(eq=False)
class Trials:
    """The trials of an Optuna study and its lock; what a worker saw of it last is how many were begun and ended."""

    lock: Resource
    begun: int = 0
    ended: int = 0
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)

    def read(self, worker: int) -> int:
        """Return how many trials a worker reads beyond those that a lone one reads."""
        _, ended = self.seen.get(worker, (0, 0))
        self.seen[worker] = self.begun, self.ended
        return max(0, self.begun - ended - USUAL)  # new ones, and those that were unfinished


class Simulation:
    """Workers that search one study.

    Attributes:
        ends: When the proposals were finished.
        spent: Worker seconds by what they went into.
    """

    def __init__(self, setting: Setting, costs: Costs, *, spread: float = SPREAD) -> None:
        self.setting, self.ends = setting, list[float]()
        self.spent = dict.fromkeys(LOSSES, 0.0)
        self._costs, self._clock = costs, Clock()
        self._database = Resource(self._clock, servers=setting.cores)
        self._ledger, *self._cells = (Trials(Resource(self._clock)) for _ in range(setting.cells + 1))
        self._unplanned, self._running = set[int](), set[int]()
        drawn = np.random.default_rng(setting.seed).lognormal(-(spread**2) / 2, spread, setting.proposals)
        self._forwards: list[float] = (setting.forward_s * drawn).tolist()
        for worker in range(setting.workers):
            self._clock.wake(self._work(worker))
        self._clock.run()
        self.total_s = self.ends[-1]
        self.spent["end"] = setting.workers * self.total_s - sum(self.spent.values())

    def _work(self, worker: int) -> Process:
        """Take proposals until none is left."""
        swept = 0.0
        while self._ledger.begun < self.setting.proposals:
            if self._clock.now - swept >= SWEEP_S:
                swept = self._clock.now
                yield from self._do("sweep", self._ledger, worker)
            for cell in self._cells if self.setting.workers > 1 else ():
                yield from self._do("refresh", cell, worker)
            number = yield from self._do("take", self._ledger, worker)
            if number < self.setting.proposals:
                yield from self._evaluate(number, worker)
        return 0

    def _evaluate(self, number: int, worker: int) -> Process:
        is_sampled, owner = number >= DESIGNED, self._cells[number % len(self._cells)]
        if is_sampled:
            yield from self._do("sample", owner, worker)
        yield from self._do("plan", self._ledger, worker)
        self._unplanned.discard(number)
        yield from self._settle(number, worker)
        if number != 1:  # whose outputs are those of proposal 0
            yield from self._pass("forward", self._forwards[number])
        for cell in self._cells:
            yield from self._compute("decoding", self.setting.decode_s)
            yield from self._do("tell" if is_sampled and cell is owner else "add", cell, worker)
        yield from self._do("finish", self._ledger, worker)
        self._running.discard(number)
        self.ends.append(self._clock.now)
        return number

    def _settle(self, number: int, worker: int) -> Process:
        """Wait until all that was begun before has its plan, and for the outputs of an equal one."""
        pause = PAUSES_S[0]
        while True:
            if min(self._running) < number:
                yield from self._do("look", self._ledger, worker)
            if min(self._unplanned, default=number) >= number and not (number == 1 and 0 in self._running):
                return number
            yield from self._pass("plan", pause)
            pause = min(2 * pause, PAUSES_S[1])
            yield from self._do("sweep", self._ledger, worker)

    def _do(self, name: str, trials: Trials, worker: int) -> Process:
        """Do an operation; return the number of the trial that it begins."""
        cost, number = self._costs[name], trials.begun
        if name in READING:
            extra = trials.read(worker)
            yield from self._read(extra, "lease" if trials is self._ledger else "trial")
            yield from self._read(extra if name == "refresh" else 0, "record")
        yield from self._compute("growth", cost.growth_s * trials.begun)
        held = (cost.held_cpu_s, cost.held_server_s, cost.held_trips)
        yield from self._call(cost.cpu_s - held[0], cost.server_s - held[1], cost.trips - held[2])
        if name in BEGINNING:
            yield from self._wait("lock", trials.lock)
            yield from self._call(*held)
            number, trials.begun = trials.begun, trials.begun + 1
            if trials is self._ledger and number < self.setting.proposals:
                self._running.add(number)
                self._unplanned.add(number)
            trials.lock.release()
        trials.ended += name in ENDING
        return number

    def _read(self, extra: int, kind: str) -> Process:
        yield from self._compute("reading", extra * self._costs[kind].cpu_s)
        return (yield from self._serve("reading", extra * self._costs[kind].server_s))

    def _call(self, cpu_s: float, server_s: float, trips: float) -> Process:
        yield from self._compute("client", cpu_s)
        yield from self._pass("network", trips * self.setting.trip_s)
        return (yield from self._serve("database", server_s))

    def _compute(self, what: str, seconds: float) -> Process:
        return (yield from (self._serve if self.setting.is_shared else self._pass)(what, seconds))

    def _serve(self, what: str, seconds: float) -> Process:
        if seconds > 0:
            yield from self._wait("queue", self._database)
            yield from self._pass(what, seconds)
            self._database.release()
        return 0

    def _wait(self, what: str, resource: Resource) -> Process:
        since = self._clock.now
        yield resource
        self.spent[what] += self._clock.now - since
        return 0

    def _pass(self, what: str, seconds: float) -> Process:
        if seconds > 0:
            self.spent[what] += seconds
            yield seconds
        return 0


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


def sweep(costs: Costs, setting: Setting) -> Curves:
    """Simulate all numbers of workers for all numbers of cells, forwards and round trips."""
    curves: Curves = {}
    for cells, forward_s, trip_s, workers in product(CELLS, FORWARDS_S, TRIPS_S, WORKERS):
        changed = replace(
            setting, workers=workers, proposals=EACH * workers, cells=cells, forward_s=forward_s, trip_s=trip_s
        )
        curves.setdefault((cells, forward_s, trip_s), []).append(point(changed, costs))
    return curves


def efficiency_table(curves: Curves) -> str:
    """Return the efficiencies as a Markdown table, the most workers above the goal, and what the rest is lost by."""
    rows = [
        [
            "cells",
            "forward",
            "round trip",
            *map(str, WORKERS),
            f"≥ {GOAL:.0%} up to",
            "beyond, most is lost by",
            "at the end by",
        ]
    ]
    rows += [["--:"] * (len(rows[0]) - 2) + ["---"] * 2]
    for (cells, forward_s, trip_s), points in curves.items():
        enough = [item.workers for item in points if item.efficiency >= GOAL]
        beyond = next((LOSSES[item.loss] for item in points if item.workers > max(enough)), "–")
        shares = [f"{item.efficiency:.2f}" for item in points]
        last = LOSSES[points[-1].loss]
        rows.append([str(cells), f"{forward_s:g} s", f"{1e3 * trip_s:g} ms", *shares, str(max(enough)), beyond, last])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def cost_table(meter: Meter) -> str:
    """Return the cost of each operation as a Markdown table, in milliseconds: medians, and the 95 % quantile."""
    rows = [["", "client", "p95", "database", "p95", "its share", "round trips", "under the lock"]]
    rows += [["---"] + ["--:"] * (len(rows[0]) - 1)]
    for name in meter.samples:
        usual, seldom = meter.cost(name), meter.cost(name, quantile=0.95)
        cpu, server = (1e3 * usual.cpu_s, 1e3 * seldom.cpu_s), (1e3 * usual.server_s, 1e3 * seldom.server_s)
        held = f"{1e3 * (usual.held_cpu_s + usual.held_server_s):.1f} ms, {usual.held_trips:g} trips"
        times = [f"{value:.2f}" for value in (*cpu, *server)]
        share = f"{server[0] / (cpu[0] + server[0]):.0%}"
        rows.append([name, *times, share, f"{usual.trips:g}", held if usual.held_trips else "–"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def draw(curves: Curves) -> Figure:
    """Draw efficiency against workers, a row for each number of cells and a column for each round trip."""
    figure = new_figure(4.6)
    panels = figure.subplots(len(CELLS), len(TRIPS_S), sharex=True, sharey=True)
    colours = dict(zip(FORWARDS_S, cell_colours(len(FORWARDS_S)), strict=True))
    handles = {}
    for (cells, forward_s, trip_s), points in curves.items():
        axes = panels[CELLS.index(cells), TRIPS_S.index(trip_s)]
        (handles[forward_s],) = axes.plot(
            [item.workers for item in points],
            [item.efficiency for item in points],
            *("o-",),
            color=colours[forward_s],
            label=f"forward of {forward_s:g} s",
            markersize=3,
            linewidth=1.2,
        )
    for (row, cells), (column, trip_s) in product(enumerate(CELLS), enumerate(TRIPS_S)):
        axes, title = panels[row, column], f"{cells} cell{'s' * (cells > 1)}, round trip {1e3 * trip_s:g} ms"
        is_last, is_first = row == len(CELLS) - 1, column == 0
        dress(axes, x="workers" if is_last else "", y="efficiency" if is_first else "", title=title)
        axes.axhline(GOAL, color=INK, linestyle=":", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.set(ylim=(0, 1.05), xticks=[1, 4, 16, 64, 256], xticklabels=["1", "4", "16", "64", "256"])
    legend_above(figure, list(handles.values()), columns=len(handles))
    return figure


app = typer.Typer()


@app.command()
def measure(
    *,
    storage: Annotated[str | None, typer.Option(help="URL; by default SQLite in a folder that is removed.")] = None,
    proposals: Annotated[int, typer.Option(min=2)] = 200,
    output: Annotated[Path, typer.Option(help="Where the costs go, as JSON.")] = Path("nercc-home/scaling/costs.json"),
) -> None:
    """Measure what a proposal of a study with one cell, and of one with five, costs in a storage."""
    hush()
    costs = {}
    with TemporaryDirectory() as folder:
        for cells in CELLS:
            meter = measure_protocol(storage or f"sqlite:///{folder}/optuna.db", cells=cells, proposals=proposals)
            typer.echo(f"{cells} cells, ms:\n\n{cost_table(meter)}")
            costs = {name: meter.fitted(name) for name in meter.samples}
    costs["refresh"] = _divided(costs["refresh"], max(CELLS))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({name: asdict(cost) for name, cost in costs.items()}, indent=1), encoding="utf-8")


@app.command()
def simulate(
    *,
    costs: Annotated[Path | None, typer.Option(help="What `measure` wrote; by default what is in this file.")] = None,
    cores: Annotated[int, typer.Option(min=1, help="Cores of the database.")] = 4,
    seed: int = 0,
    output: Annotated[Path, typer.Option(help="Where the figure goes.")] = FIGURE,
) -> None:
    """Simulate all numbers of workers, print the table, and write the figure."""
    known = COSTS
    if costs is not None:
        known = {name: Cost(**parts) for name, parts in json.loads(costs.read_text(encoding="utf-8")).items()}
    curves = sweep(known, Setting(workers=1, proposals=EACH, forward_s=1.0, cores=cores, seed=seed))
    output.parent.mkdir(parents=True, exist_ok=True)
    draw(curves).savefig(output)
    typer.echo(efficiency_table(curves))


def _divided(cost: Cost, parts: int) -> Cost:
    return Cost(**{name: value / parts for name, value in asdict(cost).items()})


if __name__ == "__main__":
    app()
