"""Replication as a code that may be chosen: exact copies, and a repair that knows only the mean."""

from __future__ import annotations

from dataclasses import replace

from nercc_tune.inference import CellEvaluator
from nercc_tune.records import Design, Kernel, Parameter
from nercc_tune.spec import StudySpec

__all__ = ["REPLICATION_KERNEL", "replication_design", "replication_parameter"]

REPLICATION_KERNEL = Kernel(range=0.0)
"""Outputs that know nothing of each other: a query without a copy gets the mean of the others."""


def replication_design(spec: StudySpec) -> Design:
    """Return the design that is replication at λ_enc = 0: all workers on copies, kriging with range 0.

    Where K does not divide N, the further copies go to other queries than those of `ReplicationCode`, which queries in
    the order of arrival do not tell apart.
    """
    return replace(
        spec.reference,
        ordering="arrival",
        nodes=f"copies-{spec.code.workers // spec.code.queries}",
        decoder="kriging",
    )


def replication_parameter(spec: StudySpec, evaluator: CellEvaluator) -> Parameter:
    """Return what its decoder is set to in a cell: where some answers are wrong, its copies outvote each other.

    Args:
        spec: The study.
        evaluator: Of the tuning draws, on which it is found how near copies are that agree.

    Raises:
        OutputError: If outputs are not finite.
    """
    return evaluator.best_distrusting(replication_design(spec), 0.0, REPLICATION_KERNEL, distrusts=("copies",))
