"""The study file as a value: what is tuned, how, and on what."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated

from pydantic import Field

from nercc_tune.records import Cell
from nercc_tune.spec.settings import (
    CacheSettings,
    CodeSettings,
    EvaluationSettings,
    SearchSettings,
    Section,
    UrlSettings,
    WorkloadSettings,
)

# What may change between two launches of one study without making its earlier results worthless: how long to search,
# on which device, and where things lie. Weights and data are covered by the workload's fingerprint instead.
_OUTSIDE_DIGEST: dict[str, set[str] | bool] = {
    "workload": {"device", "chunk", "data_dir", "checkpoint"},
    "search": {"trials", "patience", "min_improvement"},
    "cache": True,
    "storage": True,
    "tracking": True,
}

_GRID_POINTS_PER_DECADE = 4


class StudySpec(Section):
    """A study file, validated; equal files have equal digests."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
    workload: WorkloadSettings
    code: CodeSettings
    search: SearchSettings = SearchSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    cache: CacheSettings = CacheSettings()
    storage: UrlSettings = UrlSettings()
    tracking: UrlSettings = UrlSettings()

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the results, as 64 hexadecimal digits."""
        values = self.model_dump(mode="json", exclude={**_OUTSIDE_DIGEST})
        return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One cell for each straggler count, ascending."""
        return tuple(
            Cell(
                study=self.name,
                model=self.workload.model,
                data=self.workload.data,
                queries=self.code.queries,
                workers=self.code.workers,
                stragglers=stragglers,
                nodes=self.code.nodes,
                decode_space=self.code.decode_space,
            )
            for stragglers in self.code.stragglers
        )

    @property
    def decoder_grid(self) -> tuple[float, ...]:
        """The λ_dec values at which every trial's profile is recorded: 0, then evenly in log λ over the range."""
        low, high = math.log10(self.search.lambda_dec.low), math.log10(self.search.lambda_dec.high)
        steps = max(2, math.ceil((high - low) * _GRID_POINTS_PER_DECADE))
        return (0.0, *(10 ** (low + (high - low) * step / steps) for step in range(steps + 1)))

    @property
    def queries_needed(self) -> int:
        """How many queries the tuning and the held-out groups take together."""
        return (self.evaluation.tuning_groups + self.evaluation.heldout_groups) * self.code.queries
