"""What is deployed: the versions of a registered model, as plain values that are read from their tags alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from nercc_tune.export.table import TunedTable
from nercc_tune.records import Distrust, Distrusting, Interval, Kernel, Parameter, Trusting
from nercc_tune.records.choices import said
from nercc_tune.records.strict_json import Strict, from_json, to_json
from nercc_tune.tracking.content import KIND

__all__ = ["CHAMPION", "DEPLOYMENT", "PREVIOUS", "PROMOTED_AT", "Deployed", "DeployedCode", "Version"]

CHAMPION = "champion"
"""Alias of the version that serves."""

PREVIOUS = "previous"
"""Alias of the version that served before, to which a rollback returns."""

DEPLOYMENT = "deployment"
"""What `nercc_tune.kind` says of a registered version and of the run that holds its files."""

PROMOTED_AT = "promoted_at"


@dataclass(frozen=True, kw_only=True)
class DeployedCode(Strict):
    """The tuned code of one straggler count, or the policy for all of them, with what it is worth on held-out draws.

    Attributes:
        study: Name of the study.
        stragglers: S that the code was tuned for, the largest of a range; None for the policy.
        design: Its label.
        lambda_dec: λ_dec by S; of one S, or of all that the policy knows; 0 where the decoder is no spline.
        kernels: What such a decoder is set to, by S.
        distrusts: How it finds out which answers to distrust, by S, where it does.
        prob_mse: Held-out MSE in probabilities.
        minus_nercc_ag: Paired difference of that to NeRCC at (0, 0); None where the table has none.
        table_digest: Of the table that it is from, as `TunedTable.digest`.
    """

    study: str
    model: str
    data: str
    queries: int
    workers: int
    stragglers: int | None
    design: str
    lambda_enc: float
    lambda_dec: dict[int, float]
    kernels: Annotated[dict[int, Kernel], said({})] = field(default_factory=dict)
    distrusts: Annotated[dict[int, Distrust], said({})] = field(default_factory=dict)
    prob_mse: Interval
    minus_nercc_ag: Interval | None
    table_digest: str

    @classmethod
    def of(cls, table: TunedTable, *, stragglers: int | None = None) -> DeployedCode:
        """Take the code of a straggler count out of a table, or the policy.

        Raises:
            TableError: If the table has no entry for the count.
        """
        first, policy = table.entries[0], table.policy
        entry = None if stragglers is None else table.entry(stragglers)
        judged = entry or policy
        decoded = [entry] if entry else policy.entries
        return cls(
            study=table.study,
            model=table.workload.model,
            data=table.workload.data,
            queries=first.queries,
            workers=first.workers,
            stragglers=entry.stragglers if entry else None,
            design=judged.design.label,
            lambda_enc=judged.lambda_enc,
            lambda_dec={item.stragglers: item.lambda_dec for item in decoded},
            kernels={item.stragglers: item.kernel for item in decoded if item.kernel is not None},
            distrusts={item.stragglers: item.distrust for item in decoded if item.distrust is not None},
            prob_mse=judged.heldout.prob_mse,
            minus_nercc_ag=judged.prob_mse_minus.get("nercc_ag"),
            table_digest=table.digest,
        )

    @property
    def parameters(self) -> dict[int, Parameter]:
        """What the decoder is set to, by S."""
        trusting: dict[int, Trusting] = {**self.lambda_dec, **self.kernels}
        distrusting = {
            stragglers: Distrusting(trusting=trusting[stragglers], distrust=distrust)
            for stragglers, distrust in self.distrusts.items()
        }
        return {**trusting, **distrusting}

    @property
    def service(self) -> tuple[str, str, int, int]:
        """What is served: model, data, K and N."""
        return self.model, self.data, self.queries, self.workers

    @property
    def serves(self) -> str:
        """What the code is for: `policy`, or `S=40`."""
        return "policy" if self.stragglers is None else f"S={self.stragglers}"

    @property
    def is_better(self) -> bool:
        """Whether the whole interval of the held-out difference to NeRCC at (0, 0) lies below 0."""
        return self.minus_nercc_ag is not None and self.minus_nercc_ag.high < 0

    def tags(self) -> dict[str, str]:
        """Return the code as tags, from which `from_tags` reads it back exactly; what is None has none."""
        values = {name: value for name, value in to_json(self).items() if value is not None}
        return {
            KIND: DEPLOYMENT,
            "serves": self.serves,
            **{name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()},
        }

    @classmethod
    def from_tags(cls, tags: dict[str, str]) -> DeployedCode:
        """Read a code from the tags of a version.

        Raises:
            ValueError: If they are not those of one.
        """
        names = {item.name for item in fields(cls)}
        texts = {"study", "model", "data", "design", "table_digest"}
        values: dict[str, Any] = dict.fromkeys(("stragglers", "minus_nercc_ag"))
        values |= {name: text if name in texts else json.loads(text) for name, text in tags.items() if name in names}
        return from_json(cls, values)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered version.

    Attributes:
        name: Of the registered model.
        version: Its number.
        run_id: The run that holds its files.
        promoted_at: When it last became the champion (ISO 8601, UTC).
    """

    name: str
    version: int
    run_id: str
    promoted_at: str
    code: DeployedCode

    @property
    def uri(self) -> str:
        """What loads this version, whatever is the champion."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The two aliases of a registered model; None where there is none."""

    name: str
    champion: Version | None = None
    previous: Version | None = None

    @property
    def uri(self) -> str:
        """What loads the champion: `mlflow.pyfunc.load_model(uri)`."""
        return f"models:/{self.name}@{CHAMPION}"
