"""The study file as a value: what is tuned, how, and on what."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import PurePath
from typing import Annotated

from pydantic import Field, model_validator

from nercc_tune.records import DEFAULT_DISTRUSTS, Design, DistrustKind, Encoding, Reading
from nercc_tune.spec.error_settings import ErrorSettings, check_errors
from nercc_tune.spec.search_settings import SearchSettings
from nercc_tune.spec.section import Section
from nercc_tune.spec.settings import (
    CacheSettings,
    CodeSettings,
    EvaluationSettings,
    ResourceSettings,
    StorageSettings,
    StragglingSettings,
    TrackingSettings,
    WorkloadSettings,
)
from nercc_tune.spec.training_settings import TrainingSettings, check_training
from nercc_tune.text.one_line import show

# What may change between two launches of one study without making its earlier results worthless: how long to search,
# on which device, and where things lie. Weights and data are covered by the workload's fingerprint instead.
_OUTSIDE_DIGEST: dict[str, set[str] | bool] = {
    "workload": {"device", "chunk", "compile", "data_dir", "checkpoint"},
    "search": {"trials", "patience", "min_improvement"},
    "training": {"threads"},
    "cache": True,
    "storage": True,
    "tracking": True,
    "resources": True,
}

# Errors that are a quadratic form cost next to nothing at one more λ; others take a decoding each.
_GRID_POINTS_PER_DECADE = {True: 4, False: 2}


_LEAST_CALIBRATION = 2


class StudySpec(Section):
    """A study file, validated; equal files have equal digests."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
    workload: WorkloadSettings
    code: CodeSettings
    straggling: StragglingSettings = StragglingSettings()
    errors: ErrorSettings = ErrorSettings()
    search: SearchSettings = SearchSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    cache: CacheSettings = CacheSettings()
    storage: StorageSettings = StorageSettings()
    tracking: TrackingSettings = TrackingSettings()
    resources: ResourceSettings = ResourceSettings()

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the results, as 64 hexadecimal digits."""
        values = self.model_dump(mode="json", exclude={**_OUTSIDE_DIGEST})
        if self.workload.outputs == "logits":
            del values["workload"]["outputs"]  # studies of versions without this key keep their digests
        if self.code.copies is None:  # likewise
            del values["code"]["copies"]
        if not self.search.copies:
            del values["search"]["copies"]
        if self.evaluation.replication:
            del values["evaluation"]["replication"]
        if self.search.decoders == ("spline",):
            del values["search"]["decoders"]
        if self.code.trained_kind is None:
            del values["training"]
        if not self.errors.are_given:
            del values["errors"]
            del values["search"]["distrusts"]
        if self.search.sampler == "grid":
            values["search"]["trials"] = self.search.trials  # they place the grid's points
        if self.straggling.unit is None:
            del values["straggling"]["unit"]  # which earlier study files could not have
        return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def placed(
        self,
        *,
        storage: str | None = None,
        tracking: str | None = None,
        workers: int | None = None,
        ray: str | None = None,
    ) -> StudySpec:
        """Return the study with other stores or resources, which decide no results; None leaves what it says."""
        given: dict[str, dict[str, object]] = {
            "storage": {"url": storage},
            "tracking": {"url": tracking},
            "resources": {"workers": workers, "ray": ray},
        }
        changed = {
            section: getattr(self, section).model_copy(
                update={key: value for key, value in values.items() if value is not None}
            )
            for section, values in given.items()
        }
        return self.model_copy(update=changed)

    @property
    def reference(self) -> Design:
        """The design of the baselines."""
        code = self.code
        return Design(
            ordering=code.ordering,
            nodes=code.node_kind,
            chord_power=code.chord_power,
            assignment=code.assignment,
            rack=code.rack,
            decode_space=code.decode_space,
        )

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """The orderings and node sets that are searched, at λ_enc = 0; of a trained code its first trainings."""
        kind = self.code.trained_kind
        if kind is not None:
            return tuple(Encoding(nodes="systematic", training=first) for first in self.training.first(kind))
        orderings = self.search.orderings or (self.code.ordering,)
        return tuple(Encoding(ordering=ordering, nodes=nodes) for ordering in orderings for nodes in self._node_kinds)

    @property
    def _node_kinds(self) -> tuple[str, ...]:
        """The node sets that are searched; `copies` stands for one of each number that is listed."""
        search = self.search
        numbers = search.copies or (() if self.code.copies is None else (self.code.copies,))
        kinds = [
            [f"copies-{number}" for number in numbers] if kind == "copies" else [kind]
            for kind in search.nodes or (self.code.node_kind,)
        ]
        return tuple(dict.fromkeys(kind for some in kinds for kind in some))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The assignments, decode spaces and decoders that are searched; none of them costs a forward pass."""
        if self.code.trained_kind is not None:
            return (("identity", "logits-softmax", "subtraction" if self.code.kind == "parity" else "network"),)
        spaces = self.search.decode_spaces or (self.code.decode_space,)
        return tuple(
            (assignment, space, decoder)
            for assignment in self.search.assignments or (self.code.assignment,)
            for space in spaces
            for decoder in self.search.decoders
        )

    @property
    def distrusts(self) -> tuple[DistrustKind, ...]:
        """How wrong answers are found; nothing where the study has none."""
        return (self.search.distrusts or DEFAULT_DISTRUSTS) if self.errors.are_given else ()

    @property
    def decoder_grid(self) -> tuple[float, ...]:
        """The λ_dec values at which every trial's profile is recorded: 0, then evenly in log λ over the range."""
        low, high = math.log10(self.search.lambda_dec.low), math.log10(self.search.lambda_dec.high)
        steps = max(2, math.ceil((high - low) * _GRID_POINTS_PER_DECADE[self._is_quadratic]))
        return (0.0, *(10 ** (low + (high - low) * step / steps) for step in range(steps + 1)))

    @property
    def _is_quadratic(self) -> bool:
        """Whether all that is searched has a squared error in its decode space, on nodes that all groups share."""
        spaces = {space for _, space, _ in self.readings}
        measured = {"probabilities", "logits"} if self.search.objective == "mse" else {"probabilities"}
        is_error = self.search.objective in ("mse", "prob_mse") and not self.search.goal.has_floor
        return is_error and spaces <= measured and all(item.nodes != "chord-length" for item in self.encodings)

    @property
    def queries_needed(self) -> int:
        """How many queries the tuning, validation and held-out groups take together."""
        evaluation = self.evaluation
        groups = evaluation.tuning_groups + evaluation.validation_groups + evaluation.heldout_groups
        return groups * self.code.queries

    @model_validator(mode="after")
    def _training_fits(self) -> StudySpec:
        check_training(self.workload, self.code, self.search, self.training)
        return self

    @model_validator(mode="after")
    def _errors_fit(self) -> StudySpec:
        check_errors(self.errors, self.code, self.search, self.evaluation)
        return self

    @model_validator(mode="after")
    def _sections_fit(self) -> StudySpec:
        counts, is_random = self.code.stragglers, self.straggling.has_random_count
        if is_random and counts:
            raise ValueError(
                f"`code.stragglers` must be left out where the straggler model makes the number random "
                f"(model = {self.straggling.model!r}), but got {list(counts)}."
            )
        if not is_random and not counts:
            raise ValueError("`code.stragglers` must list at least one count.")
        if self.straggling.model == "bursts" and self.code.rack is None:
            raise ValueError('model = "bursts" needs `code.rack`, the number of workers a rack.')
        path = self.straggling.path  # links below the data directory are its owner's doing, not the study's
        if path is not None and ".." in PurePath(path).parts:
            raise ValueError(
                f"`straggling.path` must not climb out of the data directory by `..`, but got {show(path)}; "
                f"put the trace below it, or name it from the root."
            )
        frozen = self.evaluation.frozen_at
        if frozen is not None and frozen not in counts:
            raise ValueError(f"`evaluation.frozen_at` must be one of `code.stragglers`, but got {frozen}.")
        spaces = {space for _, space, _ in self.readings}
        if self.search.objective == "mse" and "logits" in spaces and len(spaces) > 1:
            raise ValueError(
                'objective = "mse" cannot compare an MSE in logits with one in probabilities; '
                'use objective = "prob_mse", or leave "logits" out of `search.decode_spaces`.'
            )
        if "copies" in self.search.nodes and not any(kind.startswith("copies-") for kind in self._node_kinds):
            raise ValueError('in `search`: nodes = "copies" needs `copies`, how many copies of every query there are.')
        if "spline" not in self.search.decoders and "chord-length" in self._node_kinds:
            raise ValueError(
                'the nodes "chord-length" are fitted to each group, which only the decoder "spline" can read; '
                "list it in `search.decoders`, or other nodes."
            )
        if "calibrated" in self.search.decoders and not self.evaluation.tuning_groups >= _LEAST_CALIBRATION:
            raise ValueError(
                f'the decoder "calibrated" needs `evaluation.tuning_groups` of at least {_LEAST_CALIBRATION}, of which '
                f"each is scored by what the others tell, but got {self.evaluation.tuning_groups}."
            )
        blocks = self.search.blocks
        has_blocks = self.search.pruner != "none" and self.code.trained_kind is None
        if has_blocks and not blocks <= self.evaluation.tuning_groups:
            raise ValueError(f"`search.blocks <= evaluation.tuning_groups` must hold, but got {blocks} blocks.")
        return self
