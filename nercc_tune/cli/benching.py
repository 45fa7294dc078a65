"""Measuring rivals under load: `bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import (
    DEFAULT_HOME,
    CodeOption,
    DataOption,
    FigureFormat,
    HomeOption,
    JsonOption,
    StorageOption,
    TrackingOption,
)
from nercc_tune.cli.reading import own_url
from nercc_tune.cli.stopping import end_like_ctrl_c
from nercc_tune.errors import SpecError
from nercc_tune.home import Home
from nercc_tune.home.places import given_path
from nercc_tune.text.console import make_console

_DEFAULT_CODES = ("coded", "equal-resources", "replication", "hedging", "none")
_MILLI = 1e-3


@app.command()
def bench(
    target: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="A finished study: its file, or its name in the home.")
    ] = None,
    *,
    codes: Annotated[
        list[str] | None,
        typer.Option(
            "--code",
            "-c",
            metavar="NAME[,KEY=VALUE…]",
            help="A rival: coded, parity, bacc, equal-resources, replication, hedging or none; keys are study, "
            "answers, deadline_ms, least, error_bound, copies, quantile, budget.",
        ),
    ] = None,
    rates: Annotated[
        list[float] | None, typer.Option("--rate", "-r", help="Queries per second; several sweep.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Machines of each rival; by default those of the table.")
    ] = None,
    queries: Annotated[int, typer.Option("--queries", min=10, help="Of each measurement, warm-up included.")] = 3000,
    warm_up: Annotated[float, typer.Option("--warm-up", min=0, max=0.9, help="Share that is left out.")] = 0.1,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Each with a seed of its own.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    slowness: Annotated[
        str,
        typer.Option(
            "--slowness",
            metavar="KIND",
            help="none, disturbed:pairs=4,factor=2, law:pareto,scale=1,shape=2, or trace:PATH.",
        ),
    ] = "none",
    engine: Annotated[
        Literal["local", "simulated"], typer.Option("--engine", help="Threads of this process, or the simulator.")
    ] = "local",
    url: Annotated[
        str | None, typer.Option("--url", help="Measure the service that runs there, in place of workers of its own.")
    ] = None,
    service_ms: Annotated[
        float | None,
        typer.Option("--service-ms", help="Let an answer take this time, as if the model ran on a device elsewhere."),
    ] = None,
    max_wait_ms: Annotated[
        float, typer.Option("--max-wait-ms", min=0, help="How long a query waits for others to make a group.")
    ] = 10.0,
    arrivals: Annotated[
        Path | None,
        typer.Option(
            "--arrivals",
            parser=given_path,
            metavar="FILE",
            help="Times of queries, one a line, stretched to each rate; by default they come independently.",
        ),
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results", parser=given_path, metavar="FILE", help="Show what was measured before; several are compared."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", parser=given_path, metavar="FOLDER", help="For results and figures; else in the home."
        ),
    ] = None,
    format_: Annotated[FigureFormat, typer.Option("--format", "-f", help="Of the figures.")] = "png",
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
    allow_code: CodeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure rivals under load, with slow workers: tail latency, and what the answers are worth.

    Each rival has as many machines, and meets the same arrivals and the same slowness in each repeat. Ctrl-C keeps
    what is finished. Results go to a folder and to MLflow.

    Example: `nercc-tune bench small-groups-mnist --workers 12 --rate 150 --service-ms 25
    --slowness disturbed:pairs=2,factor=4 -c coded -c parity,study=parity-mnist -c equal-resources`
    """
    from nercc_tune.cli import bench_steps as steps
    from nercc_tune.service.bench_codes import read_codes

    if results:
        if target is not None:
            raise SpecError("`--results` shows what was measured before; leave the study out.")
        steps.show(steps.read_all(results), output=output, format=format_, as_json=as_json)
        return
    if target is None or not rates:
        raise SpecError("say what to measure and how fast: `nercc-tune bench STUDY --rate 100`, or give --results.")
    end_like_ctrl_c()
    place = Home(home, data_dir)
    chosen = () if url else read_codes(codes or _DEFAULT_CODES, workers=workers, max_wait_s=max_wait_ms * _MILLI)
    offered = steps.Offered(rates=tuple(rates), queries=queries, warm_up=warm_up, repeats=repeats, seed=seed)
    conditions = steps.Conditions(
        engine="service" if url else engine,
        slowness=slowness,
        service_ms=service_ms,
        max_wait_ms=max_wait_ms,
        arrivals=arrivals,
        url=url,
    )
    with make_console(stderr=True).status("loading the model"):
        measurement = steps.prepare(
            steps.load(target, place, storage, allow_code=allow_code), chosen, offered=offered, conditions=conditions
        )
    store = steps.Store(
        folder=output or steps.new_folder(place, measurement.settings.target),
        tracking=tracking or own_url(target, "tracking") or place.tracking_url,
        artifacts=place.artifacts,
    )
    found = steps.run(measurement, store)
    steps.keep(found, store, format=format_)
    steps.show({"bench": found}, output=None, format=format_, as_json=as_json)
    if len(found.runs) < measurement.count:
        raise KeyboardInterrupt
