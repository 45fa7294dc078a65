"""Deploying what a study found: `promote`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import DEFAULT_HOME, HomeOption, StorageOption, TrackingOption
from nercc_tune.cli.reading import own_url, read
from nercc_tune.errors import PromotionError
from nercc_tune.home import Home
from nercc_tune.text.redaction import redact

if TYPE_CHECKING:
    from nercc_tune.records import StudyHistory
    from nercc_tune.tracking.deployment.promotion import Deployment, Version

_CELL = re.compile(r"(?P<study>.+)/K\d+-N\d+-S\d+")
_DONE = {
    "registered": "is the champion now",
    "reused": "was registered before, and is the champion now",
    "unchanged": "is the champion already; nothing was added",
    "rolled back": "is the champion again",
}


@app.command()
def promote(
    target: Annotated[
        str | None,
        typer.Argument(metavar="CELL|STUDY", help="NAME/K50-N200-S40 for one straggler count; a study for its policy."),
    ] = None,
    *,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Return to the previous version; a second time undoes it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what is not surely better than (0, 0), or serves something else.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the registered model; by default told by model, data, K and N.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Deploy a tuned code: register it as an MLflow model with the alias `champion`; the one before is `previous`.

    Example: `nercc-tune promote lenet5-digits`, and `nercc-tune promote lenet5-digits --rollback`
    """
    from nercc_tune.export.attachments import read_attachments
    from nercc_tune.export.table import TunedTable
    from nercc_tune.tracking.deployment import promotion

    study, stragglers = cell_of(target)
    history = read(study, home, storage) if study else None
    if history is not None and stragglers is not None:
        check_cell(history, str(target))
    url = tracking or (own_url(study, "tracking") if study else None) or Home(home).tracking_url
    if rollback:
        if force:
            raise PromotionError("`--rollback` needs no `--force`; leave it out.")
        if stragglers is not None:
            raise PromotionError(
                "`--rollback` returns to the version before the champion, of whatever cell; give the study alone."
            )
        done = promotion.rollback(url, name or name_of_service(history))
    elif history is None:
        raise PromotionError("say what to promote: a study, or a cell such as `NAME/K50-N200-S40`.")
    else:
        table = TunedTable.from_history(history)
        artifacts = Home(home).artifacts
        attachments = read_attachments(table, beside=Home(home).table(table.study))
        done = promotion.promote(
            table, url=url, artifacts=artifacts, stragglers=stragglers, name=name, force=force, attachments=attachments
        )
    _show(done, url)


def cell_of(target: str | None) -> tuple[str | None, int | None]:
    """Return the study and, of a cell, the straggler count."""
    found = _CELL.fullmatch(target or "")
    if found is None or Path(target or "").is_file():
        return target, None
    return found["study"], int(found[0].rpartition("-S")[2])


def check_cell(history: StudyHistory, target: str) -> None:
    """Refuse a cell that a study does not have.

    Raises:
        PromotionError: If it has none of these sizes.
    """
    sizes = target.rpartition("/")[2]
    known = [cell.cell.name for cell in history.cells]
    if sizes not in [name.rpartition("/")[2] for name in known]:
        raise PromotionError(f"study `{history.name}` has no cell `{sizes}`; it has {', '.join(known)}.")


def name_of_service(history: StudyHistory | None) -> str:
    """Return the registered model of a study's service.

    Raises:
        PromotionError: If there is no study, or nothing in it.
    """
    from nercc_tune.tracking.deployment.promotion import registered_name

    if history is None or not history.cells:
        raise PromotionError("say which deployment to roll back: its study, or `--name`.")
    cell, info = history.cells[0].cell, history.workload
    return registered_name(model=info.model, data=info.data, queries=cell.queries, workers=cell.workers)


def _show(done: Deployment, url: str) -> None:
    from nercc_tune.terminal import make_console, show_smoothing
    from nercc_tune.tracking.deployment.note import write_decoding

    champion, previous = done.now.champion, done.now.previous
    if champion is None:
        return
    code = champion.code
    lines = [
        f"{done.now.name}: version {champion.version} {_DONE[done.outcome]}",
        f"  now     {_line(champion)}",
        f"          {code.design}, λ_enc {show_smoothing(code.lambda_enc)}, λ_dec {write_decoding(code)}",
        f"  before  {_line(previous) if previous else 'nothing'}",
        "load it:",
        f'  mlflow.set_tracking_uri("{redact(url)}")',
        f'  code = mlflow.pyfunc.load_model("{done.now.uri}")',
    ]
    make_console().print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)


def _line(version: Version) -> str:
    """Return what a version is, and what it is worth on held-out draws."""
    from nercc_tune.export.blocks import write_error
    from nercc_tune.tracking.deployment.note import write_difference

    code, minus = version.code, version.code.minus_nercc_ag
    difference = "" if minus is None else f", to (0, 0) {write_difference(minus)}"
    return (
        f"version {version.version}, {code.serves} of {code.study}: held-out MSE in probabilities "
        f"{write_error(code.prob_mse)}{difference}; promoted {version.promoted_at}"
    )
