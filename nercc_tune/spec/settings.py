"""The sections of a study file, one frozen model each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]


class Section(BaseModel):
    """A part of a study file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WorkloadSettings(Section):
    """What is served: a model, its weights, and the queries it answers.

    `model` is a registered model, a timm name, or the path of a TorchScript (`.pt`) or `torch.export` (`.pt2`)
    file.
    `data` is a bundled set, a torchvision data set, `folder` (one sub-folder a class) or `npz` (arrays `images` and
    `labels`).
    `data_dir` is the folder of the data, or the file for `npz`; by default the data directory of the command line.
    `checkpoint` is a weights file (safetensors, or a pickle that loads with `weights_only=True`).
    `pretrained` lets timm fetch the published weights; `random_weights` runs without any (for speed figures).
    `seed` draws the weights of a training or of `random_weights`.
    """

    model: str = Field(min_length=1)
    data: str = Field(min_length=1)
    data_dir: str | None = None
    checkpoint: str | None = None
    pretrained: bool = False
    random_weights: bool = False
    device: str = "auto"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    chunk: Count | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> WorkloadSettings:
        chosen = [self.checkpoint is not None, self.pretrained, self.random_weights]
        if sum(chosen) > 1:
            raise ValueError("only one of `checkpoint`, `pretrained` and `random_weights` may be given.")
        return self


class CodeSettings(Section):
    """The code whose smoothing is tuned, for each of several straggler counts."""

    kind: Literal["nercc"] = "nercc"
    queries: Annotated[int, Field(ge=2, strict=True)]
    workers: Annotated[int, Field(ge=2, strict=True)]
    stragglers: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = Field(min_length=1)
    nodes: str = "chebyshev"
    decode_space: Literal["probabilities", "logits"] = "probabilities"

    @model_validator(mode="after")
    def _counts_fit(self) -> CodeSettings:
        if not self.workers >= self.queries:
            raise ValueError(
                f"`workers >= queries` must hold, or replication has no worker for some query, "
                f"but got {self.workers} workers for {self.queries} queries."
            )
        worst = max(self.stragglers)
        if not worst < self.workers:
            raise ValueError(f"`stragglers < workers` must hold, but got {worst} stragglers of {self.workers} workers.")
        if len(set(self.stragglers)) != len(self.stragglers):
            raise ValueError(f"`stragglers` must not repeat a count, but got {list(self.stragglers)}.")
        return self

    @field_validator("stragglers")
    @classmethod
    def _ascending(cls, stragglers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(stragglers))


class LambdaRange(Section):
    """A closed range of a smoothing parameter, searched on a log scale; the value 0 belongs to it as well."""

    low: Annotated[float, Field(gt=0, strict=True)]
    high: Annotated[float, Field(gt=0, le=1e12, strict=True)]

    @model_validator(mode="after")
    def _ordered(self) -> LambdaRange:
        if not self.low < self.high:
            raise ValueError(f"`low < high` must hold, but got low = {self.low:g} and high = {self.high:g}.")
        return self


class SearchSettings(Section):
    """How Optuna searches: `trials` counts the proposals of the whole study, each evaluated for every straggler count.

    `patience` ends the search after so many proposals in a row that improved no cell by the share `min_improvement`
    (0 turns the rule off).
    """

    strategy: Literal["profile", "joint"] = "profile"
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid"] = "tpe"
    trials: Count = 40
    seed: Seed = 0
    lambda_enc: LambdaRange = LambdaRange(low=1e-14, high=1.0)
    lambda_dec: LambdaRange = LambdaRange(low=1e-14, high=1.0)
    patience: Annotated[int, Field(ge=0, strict=True)] = 20
    min_improvement: Annotated[float, Field(ge=0, lt=1)] = 0.001

    @model_validator(mode="after")
    def _sampler_fits(self) -> SearchSettings:
        if self.sampler == "cmaes" and self.strategy == "profile":
            raise ValueError(
                'sampler = "cmaes" needs two parameters, and strategy = "profile" searches one; '
                'use strategy = "joint", or another sampler.'
            )
        return self


class EvaluationSettings(Section):
    """How many groups and masks tune the pair, and how many others judge it."""

    tuning_groups: Count = 20
    tuning_masks: Count = 10
    heldout_groups: Count = 20
    heldout_masks: Count = 20
    bootstrap: Annotated[int, Field(ge=100, strict=True)] = 2000
    seed: Seed = 0


class CacheSettings(Section):
    """Where worker outputs are kept: up to `memory_mb` in memory, and on disk in the home unless `disk` is false."""

    memory_mb: Annotated[int, Field(ge=0, strict=True)] = 512
    disk: bool = True


class UrlSettings(Section):
    """A database or server; by default an SQLite file in the home directory."""

    url: str | None = None
