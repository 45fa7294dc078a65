"""Which queries tune and which judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nercc_tune.errors import WorkloadError
from nercc_tune.inference.outputs import Groups
from nercc_tune.inference.store import tensor_key
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import Part
from nercc_tune.workloads import Workload

Indices = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Indices into a data set, a tuple of K for each group; no index is in two parts or twice in one."""

    tuning: Indices
    heldout: Indices
    validation: Indices

    @property
    def indices(self) -> list[int]:
        """The indices of all parts, ascending."""
        return sorted(index for groups in (self.tuning, self.validation, self.heldout) for of in groups for index in of)

    def of(self, part: Part) -> Indices:
        """Return the groups of a part."""
        return {"tuning": self.tuning, "heldout": self.heldout, "validation": self.validation}[part]


def check_size(spec: StudySpec, available: int) -> None:
    """Refuse a data set that has fewer queries than all groups take.

    Raises:
        WorkloadError: If it has.
    """
    if not spec.queries_needed <= available:
        raise WorkloadError(
            f"`{spec.workload.data}` has {available} queries, but {spec.evaluation.tuning_groups} tuning, "
            f"{spec.evaluation.validation_groups} validation and {spec.evaluation.heldout_groups} held-out groups of "
            f"{spec.code.queries} take {spec.queries_needed}; lower the groups in `evaluation`."
        )


def split_queries(spec: StudySpec, available: int) -> Split:
    """Draw the tuning, held-out and validation groups, seeded by `evaluation.seed`.

    Raises:
        WorkloadError: As for `check_size`.
    """
    check_size(spec, available)
    order = np.random.default_rng(spec.evaluation.seed).permutation(available)[: spec.queries_needed]
    groups = tuple(tuple(int(index) for index in group) for group in order.reshape(-1, spec.code.queries))
    tuning, heldout = spec.evaluation.tuning_groups, spec.evaluation.heldout_groups
    return Split(
        tuning=groups[:tuning],
        heldout=groups[tuning : tuning + heldout],
        validation=groups[tuning + heldout :],
    )


def load_groups(workload: Workload, indices: Indices, *, precision: str) -> Groups:
    """Load the queries of groups; their key covers the workload, the queries and the precision of the model."""
    queries, labels = workload.data.load([index for group in indices for index in group])
    shape = (len(indices), len(indices[0]))
    drawn = torch.tensor(indices, dtype=torch.int64)
    return Groups(
        queries=queries.reshape(*shape, *queries.shape[1:]),
        labels=labels.reshape(shape),
        key=tensor_key(workload.fingerprint, precision, drawn),
        output_kind=workload.output_kind,
    )
