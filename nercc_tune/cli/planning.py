"""How many workers, which code and which waiting rule: `plan`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import DEFAULT_HOME, FigureFormat, HomeOption, JsonOption, StorageOption
from nercc_tune.cli.printing import print_json
from nercc_tune.cli.reading import read_family
from nercc_tune.errors import ServiceError
from nercc_tune.home import Home
from nercc_tune.home.places import given_path
from nercc_tune.text.console import make_console
from nercc_tune.text.one_line import one_line

if TYPE_CHECKING:
    from nercc_tune.planning.kinds import TableToPlan
    from nercc_tune.service.plan_goals import Conditions
    from nercc_tune.service.plan_record import ServicePlan

_DURATION = re.compile(r"([0-9.]+(?:e-?[0-9]+)?)\s*(\S+)")
_TAIL_QUERIES = {"p50": 1000, "p99": 5000, "p999": 20_000}  # so that some dozens are beyond the percentile
_LimitOption = Annotated[str | None, typer.Option(metavar="TIME", help="The most it may be: 50ms, 0.2s.")]


@app.command()
def plan(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TARGET...]", help="Finished studies, or tables that end in .json, of one model."),
    ] = None,
    *,
    rate: Annotated[float, typer.Option("--rate", help="Queries per second.")],
    service_ms: Annotated[float, typer.Option("--service-ms", help="How long a task takes undisturbed.")],
    slowness: Annotated[
        str,
        typer.Option(
            "--slowness",
            help="What makes workers slow: law:pareto,scale=1,shape=2, disturbed:pairs=2,factor=3, a trace, or none.",
        ),
    ],
    p50: _LimitOption = None,
    p99: _LimitOption = None,
    p999: _LimitOption = None,
    agreement: Annotated[
        float | None, typer.Option("--agreement", metavar="FLOOR", help="Of answers with the model's own: 0.99.")
    ] = None,
    most_workers: Annotated[int, typer.Option("--most-workers", min=1, help="The most that there may be.")] = 64,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    queries: Annotated[
        int | None, typer.Option("--queries", help="In each simulation; by default 5000, and 20000 for a p99.9.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Of each kind of scheme.")] = 30,
    repeats: Annotated[int, typer.Option("--repeats", min=2, help="Simulations behind each promise.")] = 20,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", parser=given_path, metavar="FOLDER", help="Write plan.json and a figure."),
    ] = None,
    format_: Annotated[FigureFormat, typer.Option("--format", "-f", help="Of the figure.")] = "png",
    as_json: JsonOption = False,
) -> None:
    """Say how many workers, which code and which waiting rule hold goals at the least cost, and what others cost.

    Plain workers, replication, hedging and the code of each table are simulated under the load, searched with Optuna,
    and judged on draws that had no say in the choice. The plan that is written is what `serve` takes.

    Example: `nercc-tune plan parity-mnist --rate 100 --service-ms 20 --slowness trace.csv --p99 60ms -o plan`
    """
    from nercc_tune.planning.planner import make_plan
    from nercc_tune.terminal import training_progress

    limits = {name: _seconds(name, text) for name, text in (("p50", p50), ("p99", p99), ("p999", p999))}
    conditions = _conditions(
        limits,
        agreement=agreement,
        rate=rate,
        service_s=service_ms / 1e3,
        slowness=slowness,
        most_workers=most_workers,
        seed=seed,
        queries=queries or max(_TAIL_QUERIES[name] for name in _TAIL_QUERIES if limits[name] or name == "p50"),
        trials=trials,
        repeats=repeats,
    )
    tables = [table for target in targets or () for table in _tables(target, home, storage)]
    with training_progress(make_console(stderr=True), title="planning") as progress:
        made = make_plan(conditions, tables, progress=progress)
    _show(made, as_json=as_json)
    if output is not None:
        _write(made, output, format_)


def _seconds(name: str, text: str | None) -> float | None:
    from nercc_tune.text.units import NANOSECONDS, UNIT_NAMES

    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip().lower())
    unit = UNIT_NAMES.get(found[2]) if found else None
    try:
        if found is None or unit is None:
            raise ValueError(text)  # noqa: TRY301 - one sentence for all
        return float(found[1]) * NANOSECONDS[unit] / NANOSECONDS["s"]
    except ValueError as error:
        raise ServiceError(f"`--{name}` must be a time such as 50ms or 0.2s, but got {one_line(text)}.") from error


def _conditions(limits: dict[str, float | None], *, agreement: float | None, **chosen: object) -> Conditions:
    from nercc_tune.records import from_json
    from nercc_tune.service.plan_goals import Conditions, Goals

    if not any(limits.values()):
        raise ServiceError("a plan needs a limit on the latency; give `--p99 50ms`, or `--p50` or `--p999`.")
    try:
        goals = Goals(**{f"{name}_s": limit for name, limit in limits.items()}, agreement=agreement)
        return from_json(Conditions, {**chosen, "goals": goals})
    except ValueError as error:
        message = str(error.errors()[0]["msg"]) if hasattr(error, "errors") else str(error)
        raise ServiceError(f"this cannot be planned: {message.removeprefix('Value error, ')}") from error


def _tables(target: str, home: Path, storage: str | None) -> list[TableToPlan]:
    """Return the table in a file, or those of a study or a family, with what their codes need."""
    from nercc_tune.export.attachments import read_attachments
    from nercc_tune.export.table import TunedTable
    from nercc_tune.planning.kinds import TableToPlan
    from nercc_tune.serving import ServedTable
    from nercc_tune.serving.served_table import load_table

    if target.endswith(".json"):
        path = given_path(target)
        return [TableToPlan.of(load_table(path), path)]
    found = []
    for history in read_family(target, home, storage)[1]:
        table, path = TunedTable.from_history(history), Home(home).table(history.name)
        found.append(TableToPlan.of(ServedTable(table, read_attachments(table, beside=path)), path))
    return found


def _show(made: ServicePlan, *, as_json: bool) -> None:
    from nercc_tune.records import to_json
    from nercc_tune.terminal import lines_of_plan, table_of_plan

    if as_json:
        print_json({**to_json(made), "holds": made.chosen is not None})
        return
    console = make_console()
    console.print(table_of_plan(made))
    for line in lines_of_plan(made):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _write(made: ServicePlan, folder: Path, format_: FigureFormat) -> None:
    from io import BytesIO

    from nercc_tune.home import write_whole
    from nercc_tune.reporting.plan_front import figure_plan

    drawn = BytesIO()
    figure_plan(made).savefig(drawn, format=format_)
    for name, content in (("plan.json", made.to_json().encode()), (f"plan.{format_}", drawn.getvalue())):
        write_whole(folder / name, content)
        make_console(stderr=True).print(f"wrote {folder / name}", highlight=False, soft_wrap=True, markup=False)
