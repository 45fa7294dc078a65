"""Deployment: which tuned code serves, as the aliases `champion` and `previous` of a registered MLflow model.

```
promote(table)   table → held-out check → version of the model → alias `champion`; the one before is `previous`
rollback(name)   the two aliases swap
read_deployments(name)
load_promoted(version)   the table that a version carries
```
MLflow, which takes seconds to import, is imported when it is needed.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

from nercc_tune.errors import PromotionError
from nercc_tune.export.attachments import Attachments
from nercc_tune.export.blocks import write_error
from nercc_tune.export.table import TunedTable
from nercc_tune.serving import ServedTable
from nercc_tune.text.one_line import show
from nercc_tune.tracking.deployment.deployed import Deployed, DeployedCode, Version
from nercc_tune.tracking.deployment.note import write_difference
from nercc_tune.tracking.reachability import check_tracking, is_sqlite, sqlite_path

__all__ = [
    "Deployed",
    "DeployedCode",
    "Deployment",
    "Version",
    "check_better",
    "load_promoted",
    "promote",
    "read_deployments",
    "registered_name",
    "rollback",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 200
_DIGEST_LENGTH = 8

Outcome = Literal["registered", "reused", "unchanged", "rolled back"]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What a promotion or a rollback did.

    Attributes:
        outcome: A version was `registered`, or one with the same content `reused`; `unchanged` where the code was the
            champion already; or `rolled back`.
        now: The aliases afterwards.
        before: The champion until then; None where there was none.
    """

    outcome: Outcome
    now: Deployed
    before: Version | None


def registered_name(*, model: str, data: str, queries: int, workers: int) -> str:
    """Return the registered model of a service, the same for all its studies, in letters that no URL or shell minds.

    >>> registered_name(model="lenet5", data="mnist", queries=50, workers=200)
    'nercc-lenet5-mnist-K50-N200'
    >>> registered_name(model="hf_hub:timm/vit tiny", data="images", queries=4, workers=8)
    'nercc-hf_hub-timm-vit-tiny-images-K4-N8'
    """
    sizes = f"-K{queries}-N{workers}"
    service = re.sub(r"[^A-Za-z0-9._-]+", "-", f"nercc-{model}-{data}")
    if len(service + sizes) > _LONGEST_NAME:
        digest = sha256(f"{model}\n{data}".encode()).hexdigest()[:_DIGEST_LENGTH]
        service = f"{service[: _LONGEST_NAME - len(sizes) - _DIGEST_LENGTH - 1]}-{digest}"
    return service + sizes


def check_better(code: DeployedCode) -> None:
    """Refuse a code that is not surely better than NeRCC at (0, 0) on held-out draws.

    Raises:
        PromotionError: If the 95 % interval of the paired difference in the MSE in probabilities does not lie below 0
            as a whole, or the table has none.
    """
    if code.is_better:
        return
    minus = code.minus_nercc_ag
    found = "the table does not compare them" if minus is None else f"the difference is {write_difference(minus)}"
    raise PromotionError(
        f"{code.serves} of `{code.study}` is not surely better than NeRCC at (0, 0) on held-out queries: "
        f"its MSE in probabilities is {write_error(code.prob_mse)}, and {found}; "
        "tune with more trials, or promote it with `--force`."
    )


def promote(  # noqa: PLR0913 - each is its own, and all but the table are named
    table: TunedTable,
    *,
    url: str,
    artifacts: Path | None,
    stragglers: int | None = None,
    name: str | None = None,
    force: bool = False,
    attachments: Attachments | None = None,
) -> Deployment:
    """Make a tuned code the champion of its service.

    The policy of the table is promoted, or the code of one straggler count. The champion until then is kept as the
    previous one. A code that is the champion already stays it and adds nothing; one that was registered before becomes
    the champion again without another version.

    Args:
        table: A table; its figures are held-out ones.
        url: The tracking store, made if it is an SQLite file that does not exist.
        artifacts: Folder of the files that belong to runs; a server keeps them where it likes.
        stragglers: S of the table, for the code of that count.
        name: Of the registered model; by default `registered_name` of the service.
        force: Also where the code is not surely better than (0, 0), or the champion serves something else.
        attachments: What the codes of the table need beside it.

    Raises:
        PromotionError: If the code must not be deployed without `force`, or the name is no name.
        TableError: If the table has no entry for the count, or needs a design that this version does not have.
        TrackingError: If the tracking store fails; the champion is then what it was, unless the last step failed.
    """
    served = ServedTable(table, attachments or Attachments())
    code = DeployedCode.of(table, stragglers=stragglers)
    _build(served, code)
    if not force:
        check_better(code)
    name = _checked(name or _name_of(code))
    check_tracking(url)
    from nercc_tune.tracking.deployment.registry import Registry  # noqa: PLC0415 - imports MLflow

    registry, now = Registry(url, artifacts), _now()
    deployed = registry.read(name)
    before = deployed.champion
    if before is not None and before.code.service != code.service and not force:
        raise PromotionError(
            f"`{name}` serves {_service(before.code)}, not {_service(code)}; give another `--name`, or `--force`."
        )
    found = registry.find(name, code)
    if found is not None and before is not None and found.version == before.version:
        return Deployment(outcome="unchanged", now=deployed, before=before)
    version = replace(found, promoted_at=now) if found else registry.register(served, code, name=name, promoted_at=now)
    deployed = registry.promote(version, instead_of=before)
    return Deployment(outcome="reused" if found else "registered", now=deployed, before=before)


def rollback(url: str, name: str) -> Deployment:
    """Make the previous version of a registered model the champion again, and the champion the previous one.

    Raises:
        PromotionError: If there is no previous version.
        TrackingError: If the tracking store fails.
    """
    deployed = read_deployments(url, name)
    if deployed.previous is None:
        champion = (
            f"version {deployed.champion.version} is its only one" if deployed.champion else "nothing is deployed"
        )
        raise PromotionError(f"`{name}` has no previous version to return to: {champion}; promote another code first.")
    from nercc_tune.tracking.deployment.registry import Registry  # noqa: PLC0415 - imports MLflow

    now = Registry(url, None).rollback(deployed, promoted_at=_now())
    return Deployment(outcome="rolled back", now=now, before=deployed.champion)


def read_deployments(url: str, name: str) -> Deployed:
    """Return what is deployed under a name. Reading makes no tracking store where there is none.

    Raises:
        PromotionError: If the name is no name.
        TrackingError: If the tracking store fails, or the model was registered by something else.
    """
    _checked(name)
    check_tracking(url)
    if is_sqlite(url) and not sqlite_path(url).exists():
        return Deployed(name=name)
    from nercc_tune.tracking.deployment.registry import Registry, is_blank  # noqa: PLC0415 - imports MLflow

    return Deployed(name=name) if is_blank(url) else Registry(url, None).read(name)


def load_promoted(url: str, version: Version) -> ServedTable:
    """Return the table that a registered version carries, with what lies beside it.

    Raises:
        TrackingError: If the tracking store fails.
        TableError: If the version's files were changed or cut.
    """
    from nercc_tune.tracking.deployment.registry import Registry  # noqa: PLC0415 - imports MLflow

    return Registry(url, None).load(version)


def _name_of(code: DeployedCode) -> str:
    return registered_name(model=code.model, data=code.data, queries=code.queries, workers=code.workers)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise PromotionError(
            f"`name` must be at most {_LONGEST_NAME} letters, digits, `.`, `_` and `-`, and begin with one of the "
            f"first two, but got {show(name)}."
        )
    return name


def _build(served: ServedTable, code: DeployedCode) -> None:
    """Build the code as a serving system would, so that what cannot be served is not deployed."""
    if code.stragglers is None:
        served.policy()
    else:
        served.code(stragglers=code.stragglers)


def _service(code: DeployedCode) -> str:
    return f"{code.model} on {code.data} with K = {code.queries}, N = {code.workers}"


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
