"""Running a service of what was promoted: `serve`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import DEFAULT_HOME, CodeOption, DataOption, HomeOption, StorageOption, TrackingOption
from nercc_tune.cli.serving_target import find_target
from nercc_tune.cli.stopping import end_like_ctrl_c, hurry_on_hangup
from nercc_tune.errors import ServiceError
from nercc_tune.home import Home
from nercc_tune.text.console import make_console


@app.command()
def serve(
    target: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|CELL|FILE", help="A study whose champion is served, or the file of a table or a plan."
        ),
    ],
    *,
    code: Annotated[
        str, typer.Option("--code", help="coded, parity, bacc, replication, hedging, equal-resources or none.")
    ] = "coded",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="In all; by default the N of the table.")
    ] = None,
    answers: Annotated[
        int | None, typer.Option("--answers", min=1, metavar="F", help="Decode as soon as F workers have answered.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", metavar="SECONDS", help="Decode then with what is there.")
    ] = None,
    error_bound: Annotated[
        float | None, typer.Option("--error-bound", help="Decode when the expected squared error is within it.")
    ] = None,
    max_wait: Annotated[
        float, typer.Option("--max-wait", metavar="SECONDS", help="How long a query waits for others to make a group.")
    ] = 0.01,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Give no answer before the decoder has seen it: one may be wrong.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="How long a query may take.")] = 30.0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many queries may wait; more are refused.")] = 1000,
    host: Annotated[str, typer.Option("--host", help="Where to listen; 0.0.0.0 for other machines, too.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the entrance.")] = 8000,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=1, max=65535, help="Of Ray's metrics, for Prometheus.")
    ] = None,
    ray: Annotated[
        str, typer.Option("--ray", metavar="ADDRESS", help="A Ray cluster: local for a new one, auto, or an address.")
    ] = "local",
    name: Annotated[
        str | None, typer.Option("--name", help="Of the registered model; by default told by model, data, K and N.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="With a table: the model, where its name does not say where it lies.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="With a table: the weights of the model.")
    ] = None,
    slowness: Annotated[
        str | None,
        typer.Option("--slowness", help="Make workers slow, to try it: disturbed:pairs=1,factor=9, or a trace."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Serve the champion on Ray Serve until Ctrl-C: POST a query to /predict as JSON, .npy bytes or an image.

    Another champion that is promoted meanwhile takes its place without a lost query, and so does the one before after a
    rollback; SIGHUP looks at once.

    Example: `nercc-tune promote serving-digits`, then `nercc-tune serve serving-digits`
    """
    end_like_ctrl_c()
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("grpc") is None:
        raise ServiceError('Ray Serve is not installed; `pip install "nercc-tune[ray]"`')
    from nercc_tune.hosting.choosing import choose_scheme, choose_settings
    from nercc_tune.hosting.host import hosting
    from nercc_tune.hosting.offering import Offering
    from nercc_tune.hosting.watching import Watch, greet
    from nercc_tune.service.announcement import announced

    def say(text: str) -> None:
        make_console().print(text, highlight=False, soft_wrap=True, markup=False)

    scheme = choose_scheme(
        code,
        workers=workers,
        answers=answers,
        deadline_s=deadline,
        error_bound=error_bound,
        max_wait_s=max_wait,
        confirm=confirm,
    )
    place = Home(home, data_dir)
    found = find_target(
        target, place, name=name, storage=storage, tracking=tracking, model=model, checkpoint=checkpoint
    )
    if found.scheme is not None:
        if scheme != choose_scheme("coded"):
            raise ServiceError("a plan says how the workers are used; leave the options for that out.")
        scheme = found.scheme
    first = found.source.read()
    offering = Offering.load(found.workload, scheme, home=place, allow_code=allow_code, notify=say)
    offer = offering.offer(first)
    settings = choose_settings(
        offer.scheme,
        found.resources,
        device=found.workload.device,
        slowness=slowness,
        address=ray,
        host=host,
        port=port,
        metrics_port=metrics_port,
        timeout_s=timeout,
        limit=limit,
    )
    with hosting(offer, settings, notify=say) as running, announced(running.url, place.service):
        end_like_ctrl_c()  # once more, since Ray sets its own
        hurry = hurry_on_hangup()
        greet(offer, settings, example=offering.save_example(place.root / "serving"), say=say)
        try:
            Watch(running=running, source=found.source, offering=offering, say=say).run(first.key, hurry)
        except KeyboardInterrupt:
            say("stopping: no more queries are taken; those that wait are answered")
