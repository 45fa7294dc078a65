"""From the argument of `serve` to where the service finds its code and its model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nercc_tune.cli.promoting import cell_of, check_cell, name_of_service
from nercc_tune.cli.reading import own_url, read
from nercc_tune.errors import PromotionError, ServiceError
from nercc_tune.home import Home

if TYPE_CHECKING:
    from nercc_tune.hosting.sources import Source
    from nercc_tune.service.plan_record import PlannedTable
    from nercc_tune.service.scheme_settings import SchemeSettings
    from nercc_tune.spec.settings import ResourceSettings, WorkloadSettings


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is served.

    Attributes:
        source: Says which code.
        workload: The model, and the data whose queries are answered.
        resources: What each worker is given on a cluster.
        scheme: How the workers are used, where a plan says so.
    """

    source: Source
    workload: WorkloadSettings
    resources: ResourceSettings
    scheme: SchemeSettings | None = None


def find_target(
    target: str,
    home: Home,
    *,
    name: str | None,
    storage: str | None,
    tracking: str | None,
    model: str | None,
    checkpoint: Path | None,
) -> Target:
    """Return what a study, a cell, a table's file or a plan's stands for.

    Raises:
        NerccTuneError: If there is no such thing, or nothing of it is deployed.
    """
    from nercc_tune.service.plan_record import is_plan

    if target.endswith(".json"):
        if name is not None:
            raise ServiceError("`--name` is of a registered model; leave it out with a table's file.")
        path = Path(target)
        return (_plan if is_plan(path) else _table)(path, model=model, checkpoint=checkpoint)
    if model is not None or checkpoint is not None:
        raise ServiceError("a study says its model and weights; leave `--model` and `--checkpoint` out.")
    from nercc_tune.hosting.sources import ChampionSource
    from nercc_tune.spec import build_study
    from nercc_tune.tracking.deployment.promotion import read_deployments

    study, stragglers = cell_of(target)
    if study is None:
        raise ServiceError("say what to serve: a study, a cell such as `NAME/K50-N200-S40`, or a table's file.")
    history = read(study, home.root, storage)
    if stragglers is not None:
        check_cell(history, target)
    url = tracking or own_url(study, "tracking") or home.tracking_url
    source = ChampionSource(url=url, name=name or name_of_service(history))
    champion = read_deployments(url, source.name).champion
    if stragglers is not None and champion is not None and champion.code.stragglers != stragglers:
        raise PromotionError(
            f"the champion of `{source.name}` is {champion.code.serves} of {champion.code.study}, not `{target}`; "
            f"promote that first, or serve `{study}`."
        )
    spec = build_study(history.spec)
    return Target(source=source, workload=spec.workload, resources=spec.resources)


def _table(path: Path, *, model: str | None, checkpoint: Path | None, planned: PlannedTable | None = None) -> Target:
    from nercc_tune.hosting.offering import settings_of_table
    from nercc_tune.hosting.sources import TableSource
    from nercc_tune.spec.settings import ResourceSettings

    source = TableSource(path=path)
    table = source.read().served.table
    if planned is not None and table.digest != planned.digest:
        raise ServiceError(f"the table of `{planned.study}` is not the one that was planned with; plan again.")
    workload = settings_of_table(table, model=model, checkpoint=None if checkpoint is None else str(checkpoint))
    return Target(source=source, workload=workload, resources=ResourceSettings())


def _plan(path: Path, *, model: str | None, checkpoint: Path | None) -> Target:
    from nercc_tune.service.plan_record import read_plan

    planned, scheme = read_plan(path).target
    return replace(_table(Path(planned.path), model=model, checkpoint=checkpoint, planned=planned), scheme=scheme)
