"""How many search workers one database serves: what the protocol costs, and a simulation of up to 256 workers.

`uv run python -m studies.scaling measure --storage URL` runs the real protocol without a model and prints what each of
its operations costs; `uv run python -m studies.scaling simulate` prints the efficiency against the number of workers,
and draws it.

The time at the database is the wall time of an operation less the CPU time of its client, flushes included, and takes
one core of the database. Optuna locks the row of its study while it makes a trial: that part, its round trips
included, is serial for the ledger and for each cell. Whatever was new or unfinished when a worker read last is read
again, so that reading grows with the number of workers, and a worker goes through all proposals that there are.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from nercc_tune.tuning import hush

from .comparing import CELLS, sweep
from .costs import COSTS, Cost
from .measuring import measure_protocol
from .showing import cost_table, draw, efficiency_table

FIGURE = Path(__file__).parents[1] / "figures" / "scaling.png"

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
    costs: Annotated[Path | None, typer.Option(help="What `measure` wrote; by default those of costs.py.")] = None,
    cores: Annotated[int, typer.Option(min=1, help="Cores of the database.")] = 4,
    seed: int = 0,
    output: Annotated[Path, typer.Option(help="Where the figure goes.")] = FIGURE,
) -> None:
    """Simulate all numbers of workers, print the table, and write the figure."""
    known = COSTS
    if costs is not None:
        known = {name: Cost(**parts) for name, parts in json.loads(costs.read_text(encoding="utf-8")).items()}
    curves = sweep(known, cores=cores, seed=seed)
    output.parent.mkdir(parents=True, exist_ok=True)
    draw(curves).savefig(output)
    typer.echo(efficiency_table(curves))


def _divided(cost: Cost, parts: int) -> Cost:
    return Cost(**{name: value / parts for name, value in asdict(cost).items()})


if __name__ == "__main__":
    app()
