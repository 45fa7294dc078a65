"""The sections of a study file, one frozen model each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nercc_tune.records import DecodeSpace, OutputKind, TrainedKind
from nercc_tune.spec.section import Copies, Count, Section, Seed
from nercc_tune.text.units import UNIT_NAMES, Unit


class WorkloadSettings(Section):
    """What is served: a model, its weights, and the queries it answers.

    `model` is a registered model, a timm name, or the path of a `torch.export` (`.pt2`) or TorchScript (`.pt`)
    file.
    `data` is a bundled set, a torchvision data set, `folder` (one sub-folder a class) or `npz` (arrays `images` and
    `labels`).
    `data_dir` is the folder of the data, or the file for `npz`; by default the data directory of the command line.
    `checkpoint` is a weights file (safetensors, or a pickle that loads with `weights_only=True`).
    `pretrained` lets timm fetch the published weights; `random_weights` runs without any (for speed figures).
    `compile` has torch compile the model when it is loaded, which needs a C++ compiler.
    `seed` draws the weights of a training or of `random_weights`.
    `outputs` is what the model gives: `logits` (log-probabilities are such), or `probabilities` where it ends in a
    softmax.
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
    compile: bool = False
    seed: Seed = 0
    outputs: OutputKind = "logits"

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> WorkloadSettings:
        chosen = [self.checkpoint is not None, self.pretrained, self.random_weights]
        if sum(chosen) > 1:
            raise ValueError("only one of `checkpoint`, `pretrained` and `random_weights` may be given.")
        return self


class CodeSettings(Section):
    """The code that is tuned, for each of several straggler counts; the baselines share its design.

    `kind` is `nercc`, whose smoothing is tuned, or a code whose networks are trained: `parity`, whose N − K parity
    workers run networks of their own, or `learned`, whose encoder and decoder are networks. Both send plain queries to
    the first K workers; what follows on nodes is then the design of the baselines alone.
    `stragglers` lists the counts S; it is left out where the straggler model makes the number random. A study file may
    give shares of N in its place, as `straggler_shares`, and list several numbers of `workers`: see `load_family`.
    `ordering`, `nodes`, `assignment` and `decode_space` are the design of the baselines, and of the tuned code where
    `[search]` lists no others.
    `copies` is how many copies of every query the nodes `copies` have.
    `rack` is the number of workers a rack, consecutive in number, for `interleaved` assignment and for bursts.
    `chord_power` is the power of the distance between consecutive queries by which `chord-length` spaces them.
    """

    kind: Literal["nercc", "parity", "learned"] = "nercc"
    queries: Annotated[int, Field(ge=2, strict=True)]
    workers: Annotated[int, Field(ge=2, strict=True)]
    stragglers: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = ()
    ordering: str = "arrival"
    nodes: str = "chebyshev"
    copies: Copies | None = None
    assignment: str = "identity"
    decode_space: DecodeSpace = "probabilities"
    rack: Count | None = None
    chord_power: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _counts_fit(self) -> CodeSettings:
        if not self.workers >= self.queries:
            raise ValueError(
                f"`workers >= queries` must hold, or replication has no worker for some query, "
                f"but got {self.workers} workers for {self.queries} queries."
            )
        worst = max(self.stragglers, default=0)
        if not worst < self.workers:
            raise ValueError(f"`stragglers < workers` must hold, but got {worst} stragglers of {self.workers} workers.")
        if self.trained_kind is not None:
            self._check_parities(worst)
        if len(set(self.stragglers)) != len(self.stragglers):
            raise ValueError(f"`stragglers` must not repeat a count, but got {list(self.stragglers)}.")
        if self.nodes == "copies" and self.copies is None:
            raise ValueError('nodes = "copies" needs `copies`, how many copies of every query there are.')
        return self

    def _check_parities(self, worst: int) -> None:
        parities = self.workers - self.queries
        if not parities >= 1:
            raise ValueError(
                f"`workers > queries` must hold for kind = {self.kind!r}, or there is no parity worker, "
                f"but got {self.workers} workers for {self.queries} queries."
            )
        if not worst <= parities:
            raise ValueError(
                f"`stragglers <= workers - queries` must hold for kind = {self.kind!r}, which needs as many answers as "
                f"there are queries, but got {worst} stragglers of {self.workers} workers for {self.queries} queries."
            )

    @property
    def trained_kind(self) -> TrainedKind | None:
        """The kind of a code whose networks are trained; None for one that needs no training."""
        return None if self.kind == "nercc" else self.kind

    @property
    def node_kind(self) -> str:
        """The name of the nodes, for example `copies-4`."""
        return f"copies-{self.copies}" if self.nodes == "copies" else self.nodes

    @field_validator("stragglers")
    @classmethod
    def _ascending(cls, stragglers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(stragglers))


class StragglingSettings(Section):
    """Who straggles: a straggler model and its law.

    With `exactly`, `bursts`, `worst`, and with `latency` and `trace` under the rule `first`, the counts of
    `code.stragglers` are tuned. With `independent`, and under the rule `deadline`, the number of stragglers is random;
    it is parted into at most `strata` ranges, each with a λ_dec.

    `probability`: of `independent`, with which each worker straggles.
    `sample`: masks of which `worst` takes the one with the longest run of lost workers.
    `law`: of `latency`; `shift` and `rate` of the shifted exponential; `scale` and `shape` of Pareto's; `shape`,
    `scale`, `spread` (of the workers' speeds, log-normal) and `correlation` (within an iteration) of `gamma`.
    `path`: of `trace`, a CSV or Parquet file, relative to the data directory.
    `rule`: wait for the `first` N − S answers, or until the `deadline`, in `unit`.
    `unit`: of the latencies, the deadline and the waiting time that is shown: `ns`, `us`, `ms`, `s`, `min` or `h`; a
    trace whose header names another one is converted.
    """

    model: Literal["exactly", "bursts", "worst", "independent", "latency", "trace"] = "exactly"
    probability: Annotated[float, Field(ge=0, lt=1)] | None = None
    sample: Annotated[int, Field(ge=2, strict=True)] = 20
    law: Literal["shifted-exponential", "pareto", "gamma"] = "shifted-exponential"
    shift: Annotated[float, Field(ge=0)] = 1.0
    rate: Annotated[float, Field(gt=0)] = 1.0
    scale: Annotated[float, Field(gt=0)] = 1.0
    shape: Annotated[float, Field(gt=0)] = 2.0
    spread: Annotated[float, Field(ge=0)] = 0.0
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    path: str | None = None
    rule: Literal["first", "deadline"] = "first"
    deadline: Annotated[float, Field(gt=0)] | None = None
    strata: Count = 8
    unit: Unit | None = None

    @field_validator("unit", mode="before")
    @classmethod
    def _name_of_unit(cls, unit: object) -> object:
        return UNIT_NAMES.get(unit.strip(), unit) if isinstance(unit, str) else unit

    @property
    def has_random_count(self) -> bool:
        """Whether the number of stragglers is random."""
        return self.model == "independent" or (self.model in ("latency", "trace") and self.rule == "deadline")

    @model_validator(mode="after")
    def _complete(self) -> StragglingSettings:
        if self.model == "independent" and self.probability is None:
            raise ValueError('model = "independent" needs a `probability`.')
        if self.model == "trace" and self.path is None:
            raise ValueError('model = "trace" needs the `path` of a CSV or Parquet file.')
        if self.rule == "deadline" and self.deadline is None:
            raise ValueError('rule = "deadline" needs a `deadline`.')
        return self


class EvaluationSettings(Section):
    """How many groups and masks tune a code, how many choose among the best, and how many others judge it.

    The best `candidates` trials of a cell, one of each design first, are judged again on the validation draws, and the
    best of them is chosen; with `replication`, plain replication on the same workers is among them.
    `frozen_at` is a straggler count whose tuned pair is judged at all others as well.
    """

    tuning_groups: Count = 20
    tuning_masks: Count = 10
    validation_groups: Count = 10
    validation_masks: Count = 10
    candidates: Count = 5
    replication: bool = True
    heldout_groups: Count = 20
    heldout_masks: Count = 20
    frozen_at: Annotated[int, Field(ge=0, strict=True)] | None = None
    bootstrap: Annotated[int, Field(ge=100, strict=True)] = 2000
    seed: Seed = 0


class CacheSettings(Section):
    """Where worker outputs are kept: up to `memory_mb` in memory, and on disk in the home unless `disk` is false.

    `url` is a folder that several hosts share, as fsspec names it (for example `s3://bucket/outputs`), in place of the
    home's.
    """

    memory_mb: Annotated[int, Field(ge=0, strict=True)] = 512
    disk: bool = True
    url: str | None = None


class TrackingSettings(Section):
    """MLflow's tracking store, a server or a database; by default an SQLite file in the home directory.

    With `system_metrics`, CPU, memory, disk, network and GPU of the launching host are recorded while a launch runs.
    """

    url: str | None = None
    system_metrics: bool = False


class StorageSettings(Section):
    """Optuna's storage; by default an SQLite file in the home directory.

    A search worker says that it lives every `heartbeat_s` seconds; after `grace_s` without a word its proposal is given
    to another one. A storage that fails is tried again for `retry_s` seconds before the worker stops.
    """

    url: str | None = None
    heartbeat_s: Count = 10
    grace_s: Count = 60
    retry_s: Annotated[float, Field(ge=0)] = 120.0

    @model_validator(mode="after")
    def _beats_within_grace(self) -> StorageSettings:
        if not self.grace_s >= 2 * self.heartbeat_s:
            raise ValueError(
                f"`grace_s >= 2 * heartbeat_s` must hold, or one late heartbeat costs a proposal, "
                f"but got {self.grace_s} and {self.heartbeat_s}."
            )
        return self


class ResourceSettings(Section):
    """How many search workers a launch starts, and what Ray reserves for each of them.

    `ray` places the workers on a Ray cluster: its address, `auto` for the one that runs here, or `local` for a new one.
    """

    workers: Count = 1
    ray: str | None = None
    num_cpus: Annotated[float, Field(gt=0)] = 1.0
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
